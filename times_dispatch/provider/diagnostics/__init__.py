"""Tools for a person who sets a provider up.

``probe`` finds out whether a provider answers (``dispatch provider check --connect``). ``transcript`` shows one push as
request and response (``dispatch send-test``), with secrets replaced by ``redaction``.
Terms are explained in docs/glossary.md.
"""
