"""How often one number may be texted: asked for each open block, and taken back for what was not sent after all.

docs/domain.md section 5: gateways drop the same text to the same number within 30 minutes.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from redis.asyncio import Redis

from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.states import Suppression

_ANSWERS = {ord("0"): None, ord("2"): Suppression.TOO_MANY, ord("3"): Suppression.SAME_TEXT}


class FrequencyLimit(NamedTuple):
    """What a sender may do to one number, over all its campaigns; all 0 is anything."""

    repeat_after_s: int = 0
    """Seconds before the same text may go to the same number again."""
    most: int = 0
    """Messages within ``per_s``."""
    per_s: int = 0


class Mark(NamedTuple):
    """What the ledger keeps of a message that was admitted."""

    to: str
    """E.164 digits without the plus."""
    fingerprint: bytes
    """Of the number and the rendered text: six bytes."""
    attempt: int
    at_s: int = 0
    """Epoch seconds on Redis' clock."""


class FrequencyCaps:
    """Admits messages to their numbers. Every call may be repeated; raises ``LeaseLost`` and redis errors."""

    def __init__(self, redis: Redis) -> None:
        self._admit = Script(redis, "admit")
        self._take_back = Script(redis, "take_back")

    async def admit(
        self, lease: Lease, block: int, frequency: FrequencyLimit, text: str, marks: Sequence[Mark]
    ) -> tuple[int, list[Suppression | None]]:
        """Mark what may go; return when (epoch seconds), and for each message why it may not, or None.

        ``text`` is the registered one. The same block gets the same answer again.
        """
        reply = await self._admit(
            lease.ref.sender,
            lease.ref.campaign,
            lease.ref.number,
            lease.token,
            block,
            _digest(text),
            *frequency,
            b"".join(mark.fingerprint for mark in marks),
            *((mark.to for mark in marks) if frequency.most else ()),
        )
        if reply[0] != b"admitted":
            raise LeaseLost(lease.ref)
        return reply[1], [_ANSWERS[answer] for answer in reply[2]]

    async def take_back(
        self, lease: Lease, operation: str, frequency: FrequencyLimit, text: str, marks: Sequence[Mark]
    ) -> None:
        """Forget marks of messages that were not sent, before the ledger is told that they were not.

        What an earlier attempt may have said stays said.
        """
        counted: list[str | int] = []
        for mark in marks if frequency.most else ():
            counted += (mark.to, mark.at_s)
        held = await self._take_back(
            lease.ref.sender,
            lease.ref.campaign,
            lease.ref.number,
            lease.token,
            operation,
            _digest(text),
            frequency.per_s,
            b"".join(mark.fingerprint for mark in marks if not mark.attempt),
            *counted,
        )
        if not held:
            raise LeaseLost(lease.ref)


def fingerprint(to: str, text: str) -> bytes:
    """Return six bytes that tell a text to a number from others: two in 2.8e14 pairs are taken for the same."""
    return blake2b(f"{to}\0{text}".encode("utf-8", "surrogatepass"), digest_size=6).digest()


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
