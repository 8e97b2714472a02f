"""What people read about campaigns: the search for a campaign, pages of campaigns, and the state of each in words.

Terms: docs/glossary.md.
"""
