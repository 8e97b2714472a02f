"""The sandbox's delivery reports: their plan, the wait until each report is due, their bodies and their posts.

Terms are explained in docs/glossary.md.
"""
