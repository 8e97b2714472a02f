"""The CPU time of Redis' main thread for a recorded push and for a report, without any waiting."""

import asyncio
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.rig import sender_names
from benchmarks.seeding import write
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.openings import Block, new_operation
from times_dispatch.ledger.protocol import PushResult
from times_dispatch.ledger.push_results import Result
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier

MESSAGES = 60_000
RESULTS_AT_ONCE = 75
"""The number of results in one call, about as many as a worker records in one call at full speed."""
REPORTS_AT_ONCE = 500
_MAX_BLOCK = 200
_FAILED_SHARE = 0.07
_RESULT_DISORDER = 80
"""The number of messages that may overtake a message between its opening and its response."""
_REPORT_DISORDER = 300
_DELIVERY_S = 6.0


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure a campaign of one sender, whose messages are all accepted and then delivered or failed."""
    if not sys.platform.startswith("linux"):
        say("left out: the CPU time of one thread is read from Linux' /proc")
        return []
    say(f"{MESSAGES:,} messages")
    (sender,) = sender_names(1)
    with EmbeddedServer(appendonly=True) as server:
        push_us, report_us = asyncio.run(_measure(server, sender))
    return [
        Figure(
            name="Redis CPU per recorded push",
            value=push_us,
            unit="µs",
            better="less",
            must=8,
            aim=5,
            note=f"{RESULTS_AT_ONCE} in a call",
        ),
        Figure(
            name="Redis CPU per report",
            value=report_us,
            unit="µs",
            better="less",
            must=6,
            aim=3.5,
            note=f"{REPORTS_AT_ONCE} in a call, {100 * _FAILED_SHARE:.0f} % failed",
        ),
    ]


async def _measure(server: EmbeddedServer, sender: SenderId) -> tuple[float, float]:
    redis: Redis = connect(server.url)
    rng = random.Random(1)
    try:
        campaign = await write(redis, sender, MESSAGES)
        leases = BatchLeases(redis, unlimited_batches=MESSAGES)
        calls = await _opened(leases, sender, rng)
        before_us = _cpu_us(server.pid)
        for lease, results in calls:
            await leases.record(lease, results, provider="timesmobile")
        push_us = (_cpu_us(server.pid) - before_us) / MESSAGES
        reports, applier = _reports(campaign, rng), ReportApplier(redis)
        before_us = _cpu_us(server.pid)
        for first in range(0, MESSAGES, REPORTS_AT_ONCE):
            await applier.apply(reports[first : first + REPORTS_AT_ONCE])
        return push_us, (_cpu_us(server.pid) - before_us) / MESSAGES
    finally:
        await redis.aclose()


async def _opened(leases: BatchLeases, sender: SenderId, rng: random.Random) -> list[tuple[Lease, list[Result]]]:
    """Open all messages; return the results for each call, approximately in the order of the messages."""
    calls = list[tuple[Lease, list[Result]]]()
    for ready in await leases.issue(sender):
        lease = await leases.take(ready.ref)
        if lease is None:
            raise RuntimeError("a batch that was just issued cannot be taken")
        results = list[Result]()
        while isinstance(
            block := await leases.open_block(lease, max_messages=_MAX_BLOCK, operation=new_operation()), Block
        ):
            results += [
                Result(index, block.number, PushResult.ACCEPTED, 200, str(10**15 + index), 1)
                for index, _ in block.messages
            ]
        results.sort(key=lambda result: result.index + rng.random() * _RESULT_DISORDER)
        calls += [(lease, results[at : at + RESULTS_AT_ONCE]) for at in range(0, len(results), RESULTS_AT_ONCE)]
    return calls


def _reports(campaign: CampaignId, rng: random.Random) -> list[DeliveryReport]:
    now_s, reports = int(time.time()), list[DeliveryReport]()
    for index in sorted(range(MESSAGES), key=lambda index: index + rng.random() * _REPORT_DISORDER):
        at_s = now_s + 1 + int(rng.expovariate(1 / _DELIVERY_S))
        has_failed = rng.random() < _FAILED_SHARE
        code = rng.choice((902, 910, 914)) if has_failed else 0
        reports.append(DeliveryReport(campaign, index, 0, "failed" if has_failed else "delivered", code, at_s))
    return reports


def _cpu_us(pid: int) -> float:
    """Return the CPU time of the main thread of a process, in microseconds."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text("ascii").split()[0]) / 1000
