"""Phone numbers in the ledger: opt-outs, dead and forgotten numbers, and the search for one number in all campaigns.

Terms: docs/glossary.md.
"""
