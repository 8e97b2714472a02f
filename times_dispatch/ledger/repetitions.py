"""How many messages would be suppressed as repetitions, before they are stored; nothing is written."""

from collections.abc import Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from times_dispatch.ledger.frequency_cap import FrequencyLimit, fingerprint, text_digest
from times_dispatch.ledger.lanes.names import known_lanes
from times_dispatch.ledger.lanes.split import lane_of_number
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.scripts import Script

_PER_CALL = 500
"""How many messages one call of the script checks, so that the script does not delay other scripts for long."""


class Repetitions(NamedTuple):
    """How many messages would not be sent, or not at once."""

    same_text: int = 0
    """Messages whose numbers got the same text lately."""
    too_many: int = 0
    """Messages whose numbers got as many messages as the cap allows."""
    undecided: int = 0
    """Messages that would wait until it is known whether an earlier message to their number was sent."""


class RepetitionCheck:
    """Counts the messages of a campaign that the frequency caps of its sender would suppress.

    Args:
        redis: the ledger.
        sender: the sender.
        text: the registered text, with its slots.
        limit: the frequency caps of the sender.
        at_s: the time at which the messages would be sent, in epoch seconds.
    """

    def __init__(self, redis: Redis, sender: SenderId, text: str, limit: FrequencyLimit, *, at_s: float) -> None:
        self._script = Script(redis, "count_suppressed")
        self._redis = redis
        self._sender = sender
        self._lanes = [sender]
        self._digest = text_digest(text)
        self._limit = limit
        self._at_s = int(at_s)
        self.counts = Repetitions()
        """The numbers of all messages that were added."""

    async def is_needed(self) -> bool:
        """Say whether any message can be a repetition; if not, ``add`` finds no repetition."""
        if not any(self._limit):
            return False
        self._lanes = await known_lanes(self._redis, self._sender)
        return any([(await self._call(lane, [], []))["has_entries"] for lane in self._lanes])

    async def add(self, phones: Sequence[str], texts: Sequence[str]) -> None:
        """Count the repetitions among messages, given as phone (E.164 digits without the plus) and text."""
        of_lanes: list[list[tuple[str, str]]] = [[] for _ in self._lanes]
        for phone, text in zip(phones, texts, strict=True):
            of_lanes[lane_of_number(phone, len(self._lanes)) if len(self._lanes) > 1 else 0].append((phone, text))
        for lane, of_lane in zip(self._lanes, of_lanes, strict=True):
            for rows in _batched(of_lane):
                reply = await self._call(lane, [phone for phone, _ in rows], [text for _, text in rows])
                numbers = [reply[name] + before for name, before in self.counts._asdict().items()]
                self.counts = Repetitions(*numbers)

    async def _call(self, lane: SenderId, phones: Sequence[str], texts: Sequence[str]) -> dict[str, int]:
        prints = b"".join(fingerprint(phone, text) for phone, text in zip(phones, texts, strict=True))
        return await self._script(
            lane,
            at_s=self._at_s,
            digest=self._digest,
            repeat_after_s=self._limit.repeat_after_s,
            max_per_phone=self._limit.max_messages,
            period_s=self._limit.period_s,
            fingerprints=prints,
            phones=" ".join(phones) if self._limit.max_messages else "",
        )


def _batched(rows: Sequence[tuple[str, str]]) -> list[Sequence[tuple[str, str]]]:
    return [rows[first : first + _PER_CALL] for first in range(0, len(rows), _PER_CALL)]
