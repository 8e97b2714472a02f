"""The statistics: counters and histograms that the ledger's scripts keep, as typed objects.

The input is the counters of campaigns and of days (``lua/lib/statistics.lua``). The output is ``Statistics`` objects,
for the command line, the console and the metrics. Only ``recount`` reads the records of messages.
Terms: docs/glossary.md.
"""
