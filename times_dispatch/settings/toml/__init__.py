"""TOML files: strict tables, and messages that name the line of each mistake.

Terms are explained in docs/glossary.md.
"""
