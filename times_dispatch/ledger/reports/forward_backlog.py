"""The backlog of forwarding: reports that wait to be posted to another system, and counts of finished reports.

``callbacks.relay.forward_queue`` writes the queue; the command ``dispatch status`` and the metrics read it here.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import FORWARD_LANE, FORWARD_TOTALS
from times_dispatch.ledger.model import SenderId

FORWARD: Final = SenderId("reports")
"""The hash tag of the queue, in place of a sender."""
LANES: Final = 8
"""How many lanes the queue has. All events of a message are in one lane; the lanes are posted at the same time."""


class ForwardCount(StrEnum):
    """Fields of the hash ``{reports}:forward:totals``: how many events were posted, refused or dropped."""

    TAKEN = "taken"
    """Events that the other system took."""
    REFUSED = "refused"
    """Events that the other system refused; these events are dead letters."""
    DROPPED_FULL = "dropped_full"
    """Events that were dropped, because too many events waited, or the waiting events took too many bytes."""
    DROPPED_OLD = "dropped_old"
    """Events that waited for too long."""
    FORGOTTEN = "forgotten"
    """Events that held a number that was forgotten."""


class ForwardBacklog(msgspec.Struct, frozen=True, kw_only=True):
    """Events that wait to be forwarded, and the totals of all events that no longer wait."""

    events: int = 0
    bytes: int = 0
    """The memory of the waiting events. Events that an earlier version queued count only when a later event comes."""
    oldest_s: float = 0.0
    """For how long the oldest event has been waiting, in seconds."""
    totals: dict[str, int] = {}
    """All events since the beginning, by ``ForwardCount``."""

    @property
    def dropped(self) -> int:
        """Return how many events were never posted."""
        return self.totals.get(ForwardCount.DROPPED_FULL, 0) + self.totals.get(ForwardCount.DROPPED_OLD, 0)


def lane_keys() -> list[str]:
    """Return the keys of the lanes."""
    return _LANE_KEYS


_BYTES: Final = b"bytes"
"""The field of the totals with the memory of the waiting events."""
_LANE_KEYS: Final = [f"{FORWARD_LANE}:{lane}" for lane in range(LANES)]


async def read_forward_backlog(redis: Redis) -> ForwardBacklog:
    """Return the backlog. Raises Redis errors."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(FORWARD_TOTALS)
        for key in _LANE_KEYS:
            pipe.zcard(key)
            pipe.zrange(key, 0, 0, withscores=True)
        pipe.time()
        totals, *lanes, (seconds, _) = await pipe.execute()
    oldest: list[Any] = [first[0][1] for first in lanes[1::2] if first]
    return ForwardBacklog(
        events=sum(lanes[::2]),
        bytes=int(totals.pop(_BYTES, 0)),
        oldest_s=max(0.0, int(seconds) - min(oldest) / 1000) if oldest else 0.0,
        totals={name.decode(): int(number) for name, number in totals.items()},
    )
