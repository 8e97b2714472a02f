"""The process that serves metrics to Prometheus: it reads the ledger at each scrape, and keeps no counters itself.

``reader`` reads the ledger into a ``Snapshot`` (``counted`` reads its statistics), ``families`` turns the snapshot into
Prometheus' metric families, and ``server`` answers requests. Only the process ``python -m times_dispatch.metrics`` uses
this package.

Terms: docs/glossary.md.
"""
