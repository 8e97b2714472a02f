"""The archive for commands: its keys from the environment, and the rule of retention from the settings."""

from redis.asyncio import Redis

from producers.cli import CliContext
from producers.errors import InputInvalid
from times_dispatch.archive.catalog import Catalog
from times_dispatch.archive.wrapped_keys import MasterKeys
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers


def catalog_with_keys(options: CliContext, redis: Redis) -> Catalog:
    """Return the catalog of campaigns; it reads rows of archived campaigns if the environment has the archive's key."""
    key, old_key = options.archive_keys()
    forgotten = ForgottenNumbers(redis, options.forget_key())
    if not key and not old_key:
        return Catalog(redis, forgotten=forgotten)
    return Catalog(redis, MasterKeys(key, old_key), forgotten=forgotten)


def required_path(path: str) -> str:
    """Return the folder of the archive; raise InputInvalid if the settings name none."""
    if not path:
        raise InputInvalid("[retention] path: is not set in the settings, which have no archive: see docs/retention.md")
    return path
