"""The errors of the cluster's client besides redis-py's own, and the errors after which a call is tried again."""

from typing import Final

from redis import exceptions


class SlotsMixed(exceptions.RedisError):
    """A command or a transaction has keys of several hash slots: a mistake in the program."""


REDIRECTS: Final = (exceptions.AskError, exceptions.TryAgainError, exceptions.ClusterDownError)
"""The errors of a node that did not execute a command, because its slot is on another node or not served now. In
redis-py, MOVED is a subclass of ASK."""

LOST: Final = (exceptions.ConnectionError, exceptions.TimeoutError)
"""The errors of a call whose node does not answer."""
