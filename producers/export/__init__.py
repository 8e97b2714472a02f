"""Campaigns of the ledger go in; files with one row for each message come out.

``schema`` has the columns, which stay the same from version to version (docs/exports.md). ``rows`` reads the ledger and
makes groups of rows; ``own_columns`` adds columns of the recipients file; ``text_writers``, ``parquet`` and ``excel``
write the groups; ``files`` combines these modules to write one file, or a folder for each day. One group of rows at a
time is in memory. ``resend_chain`` writes no file: it reads the same messages, and counts each recipient of a campaign
and its resends once. The command line calls this package. The console and ``producers.resend`` use ``rows`` to choose
messages. Terms: docs/glossary.md.
"""
