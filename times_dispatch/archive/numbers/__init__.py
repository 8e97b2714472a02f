"""The search for one phone number in all archives, for ``dispatch number`` and the console.

In goes the number, out come its messages. A filter beside the rows of each archive tells which archives need not be
opened. Terms: docs/glossary.md.
"""
