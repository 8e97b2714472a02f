"""The archive: campaigns that ended leave Redis for encrypted Parquet files, and are read there as if still in Redis.

Ended campaigns of the ledger go in. ``archiver`` stores one campaign, verifies it and takes it out of Redis;
``retention`` chooses the campaigns, and erases archives whose time is over; ``catalog`` reads campaigns wherever they
are. ``folder`` is the folder (any fsspec URL), ``wrapped_keys`` has the keys. ``erasure`` forgets
numbers. Upkeep and the command line call this
package. Terms: docs/glossary.md.
"""
