"""Reports of test messages, which belong to no campaign, for the command ``dispatch send-test`` that waits for them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import TEST_SENDS

KEPT_S = 72 * 3600
"""How long reports are kept, in seconds: as long as a report may take (docs/domain.md section 3)."""
_MAX_REPORTS = 20


class SendTestReport(msgspec.Struct, frozen=True, array_like=True):
    """A report event about a test message."""

    kind: str
    """delivered, failed, clicked, replied or intermediate."""
    code: int
    """The failure code; 0 unless the report says failed."""
    ts: int
    """The time of the event, in epoch seconds."""


class SendTestReports:
    """Keeps reports of test messages, by the index in the message's correlation id. Every method raises Redis errors.

    The number of a test message is kept as long as its reports, so that a stop reply can be applied.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, reports: Sequence[tuple[int, SendTestReport]]) -> None:
        """Keep reports; a report that arrives twice is kept once."""
        if not reports:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            for index, report in reports:
                pipe.zadd(_key(index), {msgspec.json.encode(report): report.ts}, nx=True)
                pipe.zremrangebyrank(_key(index), 0, -_MAX_REPORTS - 1)
                pipe.expire(_key(index), KEPT_S)
            await pipe.execute()

    async def remember_number(self, index: int, number: str) -> None:
        """Keep the phone number of a test message."""
        await self._redis.set(_number_key(index), number, ex=KEPT_S)

    async def numbers(self, indexes: Sequence[int]) -> list[str]:
        """Return the phone numbers of test messages; empty for a message whose number is not stored, or has expired."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for index in indexes:
                pipe.get(_number_key(index))
            numbers: Any = await pipe.execute()
        return [number.decode() if number else "" for number in numbers]

    async def of(self, index: int) -> list[SendTestReport]:
        """Return the reports of a test message so far, by their own times."""
        reports: Any = await self._redis.zrange(_key(index), 0, -1)
        return [msgspec.json.decode(report, type=SendTestReport) for report in reports]


def _key(index: int) -> str:
    return f"{TEST_SENDS}:{index}"


def _number_key(index: int) -> str:
    return f"{_key(index)}:number"
