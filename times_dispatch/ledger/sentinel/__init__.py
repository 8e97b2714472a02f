"""Redis Sentinel: which server is the primary now.

``url`` reads the address of a ledger or a broker behind Sentinel; ``primary`` asks the sentinels. ``ledger.connection``
and ``broker.app`` call this package. Terms: docs/glossary.md.
"""
