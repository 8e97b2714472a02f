"""The code that producers, workers and callbacks share; nothing in here imports them.

Terms are explained in docs/glossary.md.
"""
