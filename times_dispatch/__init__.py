"""The code that producers, workers and callbacks share. No module in this package imports any of these packages.

Terms are explained in docs/glossary.md.
"""
