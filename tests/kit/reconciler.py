"""Reconcilers in the test's own process, and what the receiver would have put before them."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from callbacks.classifier import ReportClassifier
from callbacks.reconciler import Reconciler
from callbacks.streams import BODY, REPORTS, pack
from tests.callbacks.conftest import ID_KEY
from times_dispatch.ledger.report_applier import ReportApplier
from times_dispatch.provider.ids import CorrelationIds


async def accept(redis: Redis, *bodies: bytes) -> None:
    """Put bodies into the stream as one entry, as the receiver does."""
    await redis.xadd(REPORTS, {BODY: pack(bodies)})


def make(
    redis: Redis,
    reported: ReportApplier | None = None,
    *,
    relaying: bool = False,
    stop_words: Sequence[str] = ("STOP",),
    **more: Any,
) -> Reconciler:
    triage = ReportClassifier(CorrelationIds(ID_KEY.encode()), relaying=relaying, stop_words=stop_words)
    return Reconciler(redis, reported or ReportApplier(redis), triage, **more)


async def settle(*reconcilers: Reconciler, steps: int = 3) -> None:
    """Let reconcilers step; the very first step of all makes the group."""
    for _ in range(steps):
        for reconciler in reconcilers:
            await reconciler.step(block_ms=1)


async def is_settled(redis: Redis) -> bool:
    return await redis.xlen(REPORTS) == 0
