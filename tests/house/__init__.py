"""Checks of the project itself: words, structure and documents (docs/style.md)."""
