"""The Redis streams between receiver, reconciler, relay and dead letters: their names, and what an entry holds."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger import keys

REPORTS: Final = keys.REPORTS
"""Posted bodies that the receiver stored and no reconciler has finished; an entry holds one body or more (``pack``)."""

RELAY: Final = "relay"
"""Posted bodies that belong to another system of the same account, and wait to be posted to it; one for each entry."""

DEAD_LETTERS: Final = "reports:rejected"
"""Rows that could not be used, each with its reason."""

FOREIGN_DEAD_LETTERS: Final = "reports:rejected:foreign"
"""The same for rows that are not ours: in a stream of their own, so that a flood of them pushes no row of ours out."""

LONG_DEAD_LETTERS: Final = "reports:rejected:long"
LONG_FOREIGN_DEAD_LETTERS: Final = "reports:rejected:foreign:long"
"""The same two for long rows, of which fewer are kept."""

DEAD_LETTER_TOTALS: Final = "reports:rejected:totals"
"""Hash: reason → how many rows were ever moved to the dead letters for it."""

BODY: Final = b"b"
"""The field of an entry that holds its payload, in all of these streams."""


def pack(bodies: Sequence[bytes]) -> bytes:
    """Make the payload of one entry of ``reports`` from posted bodies."""
    return msgspec.msgpack.encode(bodies)


def unpack(payload: bytes) -> list[bytes]:
    """Return the bodies in the payload of an entry of ``reports``; raise ``msgspec.DecodeError`` if it has none."""
    return _UNPACKER.decode(payload)


_UNPACKER = msgspec.msgpack.Decoder(list[bytes])


async def store_one_by_one(redis: Redis, bodies: Sequence[bytes]) -> None:
    """Add posted bodies to ``reports``, each as an entry of its own. Raises Redis errors."""
    async with redis.pipeline(transaction=False) as pipe:
        for body in bodies:
            pipe.xadd(REPORTS, {BODY: pack([body])})
        raise_first(await pipe.execute(raise_on_error=False))


def raise_first(replies: Sequence[Any]) -> None:
    """Raise the first error among a pipeline's replies.

    ``Pipeline.execute`` would raise an error that quotes the command, and with it what a recipient wrote.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
