"""Checks of the words, the structure and the documents of the project (docs/style.md)."""
