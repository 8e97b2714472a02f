"""The statistics: counters and histograms that the ledger's scripts keep, as typed objects.

The counters of campaigns and of days (``lua/lib/statistics.lua``) go in. ``Statistics`` objects come out, for the
command line, a console or an exporter of metrics: nothing here reads the records of messages, but for ``recount``.
Terms: docs/glossary.md.
"""
