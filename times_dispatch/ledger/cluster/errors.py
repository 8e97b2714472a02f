"""The errors of the cluster's client, besides redis-py's own, and which errors only a later try can fix."""

from typing import Final

from redis import exceptions


class SlotsMixed(exceptions.RedisError):
    """A command or a transaction has keys of several hash slots: a mistake in the program."""


REDIRECTS: Final = (exceptions.AskError, exceptions.TryAgainError, exceptions.ClusterDownError)
"""What a node answers to a command that it did not execute, because the slot is elsewhere or not served now. MOVED is a
kind of ASK in redis-py."""

LOST: Final = (exceptions.ConnectionError, exceptions.TimeoutError)
"""What a call raises whose node does not answer."""
