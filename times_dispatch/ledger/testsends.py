"""Reports of test messages, those of ``dispatch send-test``: in no campaign, and kept for whoever waits for them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import TEST_SENDS

KEPT_S = 72 * 3600
"""As long as a report may take (docs/domain.md section 3)."""
_MAX_REPORTS = 20


class SendTestReport(msgspec.Struct, frozen=True, array_like=True):
    """A row of a delivery report about a test message."""

    kind: str
    """delivered, failed, clicked, replied or intermediate."""
    code: int
    """The failure code; 0 unless failed."""
    ts: int
    """Epoch seconds."""


class SendTestReports:
    """Where reports of test messages wait, by the index in the message's id. Every method raises redis errors.

    The number of a test message is kept as long as its reports, for a reply that asks for no more messages.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, reports: Sequence[tuple[int, SendTestReport]]) -> None:
        """Keep reports; a report that comes twice is kept once."""
        if not reports:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            for index, report in reports:
                pipe.zadd(_key(index), {msgspec.json.encode(report): report.ts}, nx=True)
                pipe.zremrangebyrank(_key(index), 0, -_MAX_REPORTS - 1)
                pipe.expire(_key(index), KEPT_S)
            await pipe.execute()

    async def remember_number(self, index: int, number: str) -> None:
        """Keep the number that a test message goes to."""
        await self._redis.set(_number_key(index), number, ex=KEPT_S)

    async def numbers(self, indexes: Sequence[int]) -> list[str]:
        """Return the numbers of test messages; empty where none is kept (any more)."""
        numbers: Any = await self._redis.mget([_number_key(index) for index in indexes]) if indexes else []
        return [number.decode() if number else "" for number in numbers]

    async def of(self, index: int) -> list[SendTestReport]:
        """Return what was reported of a test message so far, in the order of the reports' own times."""
        reports: Any = await self._redis.zrange(_key(index), 0, -1)
        return [msgspec.json.decode(report, type=SendTestReport) for report in reports]


def _key(index: int) -> str:
    return f"{TEST_SENDS}:{index}"


def _number_key(index: int) -> str:
    return f"{_key(index)}:number"
