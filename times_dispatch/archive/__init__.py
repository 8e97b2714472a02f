"""The archive: ended campaigns move from Redis to encrypted Parquet files, and can be read like campaigns in Redis.

``archiver`` stores an ended campaign of the ledger, verifies the files and removes the campaign from Redis;
``retention`` chooses the campaigns, and erases archives whose time is over; ``catalog`` reads campaigns in Redis and in
the archive. ``folder`` reads and writes the folder (any fsspec URL), ``wrapped_keys`` wraps the keys. ``erasure``
forgets numbers. Upkeep and the command line call this package. Terms: docs/glossary.md.
"""
