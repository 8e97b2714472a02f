"""The sandbox's books: what arrived, was accepted, refused and reported, and the journal that keeps the entries.

Terms are explained in docs/glossary.md.
"""
