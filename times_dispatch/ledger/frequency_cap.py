"""How often one number may be texted: asked for each open block, and undone for messages that were not sent after all.

docs/domain.md section 5: gateways drop the same text to the same number within 30 minutes.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from redis.asyncio import Redis

from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.protocol import FrequencyAnswer, Status
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.scripts import text as as_text
from times_dispatch.ledger.states import Suppression

_ANSWERS = {
    ord(FrequencyAnswer.MAY_GO.value): None,
    ord(FrequencyAnswer.TOO_MANY.value): Suppression.TOO_MANY,
    ord(FrequencyAnswer.SAME_TEXT.value): Suppression.SAME_TEXT,
}


class FrequencyLimit(NamedTuple):
    """What a sender may do to one number, over all its campaigns; all 0 is no limit."""

    repeat_after_s: int = 0
    """Seconds before the same text may go to the same number again."""
    max_messages: int = 0
    """Messages within ``period_s``."""
    period_s: int = 0


class Mark(NamedTuple):
    """What the ledger remembers of a message that may go."""

    to: str
    """E.164 digits without the plus."""
    fingerprint: bytes
    """Of the number and the rendered text: six bytes."""
    attempt: int
    at_s: int = 0
    """Epoch seconds on Redis' clock."""


class FrequencyCaps:
    """Says which messages may go to their numbers. Every call may be repeated; raises ``LeaseLost``."""

    def __init__(self, redis: Redis) -> None:
        self._check_frequency = Script(redis, "check_frequency")
        self._undo_admission = Script(redis, "undo_admission")

    async def check(
        self, lease: Lease, block: int, limit: FrequencyLimit, text: str, marks: Sequence[Mark]
    ) -> tuple[int, list[Suppression | None]]:
        """Remember the messages that may go; return when (epoch seconds), and for each why it may not, or None.

        Args:
            lease: The batch.
            block: Number of the open block; the same block gets the same answer again.
            limit: What the sender may do to one number.
            text: The registered text, with its slots.
            marks: One for each message of the block.
        """
        reply = await self._check_frequency(
            lease.ref.sender,
            campaign=lease.ref.campaign,
            number=lease.ref.number,
            token=lease.token,
            block=block,
            digest=_digest(text),
            repeat_after_s=limit.repeat_after_s,
            max_messages=limit.max_messages,
            period_s=limit.period_s,
            fingerprints=b"".join(mark.fingerprint for mark in marks),
            numbers=[mark.to for mark in marks] if limit.max_messages else [],
        )
        if as_text(reply["status"]) != Status.CHECKED:
            raise LeaseLost(lease.ref)
        return reply["checked_s"], [_ANSWERS[answer] for answer in reply["answers"]]

    async def undo(self, lease: Lease, operation: str, limit: FrequencyLimit, text: str, marks: Sequence[Mark]) -> None:
        """Forget messages that were not sent, before the ledger is told that they are pending again.

        The text of a message with an earlier attempt is not forgotten: that attempt may have been sent.

        Args:
            lease: The batch.
            operation: An id of this call; its repetition does nothing.
            limit: The limit that the messages were checked against.
            text: The registered text, with its slots.
            marks: One for each message, with the time that ``check`` returned.
        """
        reply = await self._undo_admission(
            lease.ref.sender,
            campaign=lease.ref.campaign,
            number=lease.ref.number,
            token=lease.token,
            operation=operation,
            digest=_digest(text),
            period_s=limit.period_s,
            fingerprints=b"".join(mark.fingerprint for mark in marks if not mark.attempt),
            counted=[{"number": mark.to, "checked_s": mark.at_s} for mark in marks] if limit.max_messages else [],
        )
        if as_text(reply["status"]) != Status.UNDONE:
            raise LeaseLost(lease.ref)


def fingerprint(to: str, text: str) -> bytes:
    """Return six bytes that tell a text to a number from others: two in 2.8e14 pairs are taken for the same."""
    return blake2b(f"{to}\0{text}".encode("utf-8", "surrogatepass"), digest_size=6).digest()


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
