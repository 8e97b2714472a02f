"""Delivery reports in the ledger: they are applied to message records, counted while they wait, and kept if unusable.

Terms: docs/glossary.md.
"""
