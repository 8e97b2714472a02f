"""Complaints about a sender. People enter complaints, because these come from an operator or the DLT portal.

India's rules count complaints within ten days (docs/domain.md section 5). A complaint has a time and a reference, and
no phone number.
"""

from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import SENDERS, SenderKey, sender_key
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.trail import PROGRAM, TrailAction, add_entry, packed_entry

DAY_MS: Final = 86_400_000
WINDOW_DAYS: Final = 10
"""Complaints within this many days count together."""
MAX_IN_WINDOW: Final = 5
"""This many complaints within ``WINDOW_DAYS`` start an action against the sender."""
_KEPT_MS: Final = 400 * DAY_MS


class Complaint(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """One complaint about a sender."""

    at_ms: int
    """When the complaint was made, in epoch milliseconds."""
    reference: str
    """The number that the operator or the portal gave to the complaint."""


class Complaints:
    """Reads and writes complaints, and notes each change in the sender's trail."""

    def __init__(self, redis: Redis, *, actor: str = PROGRAM) -> None:
        self._redis = redis
        self._actor = actor

    async def add(self, sender: SenderId, complaint: Complaint) -> bool:
        """Store a complaint; return False if the sender has a complaint with this reference. Raises Redis errors."""
        key = sender_key(sender, SenderKey.COMPLAINTS)
        if await self._redis.zscore(key, complaint.reference) is not None:
            return False
        entry = packed_entry(self._actor, TrailAction.COMPLAINT_ADDED, detail=complaint.reference)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(key, {complaint.reference: complaint.at_ms}, nx=True)
            pipe.zremrangebyscore(key, "-inf", complaint.at_ms - _KEPT_MS)
            add_entry(pipe, sender, entry)
            await pipe.execute()
        await self._redis.sadd(SENDERS, sender)
        return True

    async def remove(self, sender: SenderId, reference: str) -> bool:
        """Delete a complaint; return False if no complaint has this reference. Raises Redis errors."""
        key = sender_key(sender, SenderKey.COMPLAINTS)
        if await self._redis.zscore(key, reference) is None:
            return False
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(key, reference)
            add_entry(pipe, sender, packed_entry(self._actor, TrailAction.COMPLAINT_REMOVED, detail=reference))
            await pipe.execute()
        return True

    async def of(self, sender: SenderId, *, since_ms: int = 0) -> list[Complaint]:
        """Return the complaints about a sender from a time on, the oldest first. Raises Redis errors."""
        replies: Any = await self._redis.zrangebyscore(
            sender_key(sender, SenderKey.COMPLAINTS), str(since_ms), "+inf", withscores=True
        )
        return [Complaint(at_ms=int(at_ms), reference=text(reference)) for reference, at_ms in replies]


def window_since_ms(now_ms: int) -> int:
    """Return the earliest time of complaints that still count now, in epoch milliseconds."""
    return now_ms - WINDOW_DAYS * DAY_MS
