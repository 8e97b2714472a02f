"""Tools for a person who sets up a provider.

``probe`` checks whether a provider answers (``dispatch provider check --connect``). ``transcript`` shows one push as
request and response (``dispatch send-test``), with secrets replaced by ``redaction``. Terms are explained in
docs/glossary.md.
"""
