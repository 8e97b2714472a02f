"""Fairness: a small campaign behind a huge campaign of the same sender, and urgent messages in workers full of bulk."""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.rig import BenchmarkRig, sender_names
from benchmarks.seeding import write
from benchmarks.slow_provider import SlowProvider
from times_dispatch.broker.app import wake_workers
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.queries import Queries

RATES = (10, 50, 1_000)
HUGE = 10_000_000
"""The number of messages of the huge campaign in the ledger."""
HUGE_WRITTEN = 100_000
"""The number of messages of the huge campaign with recipients, more than are sent before the small campaign begins."""
HEAD_START_S = 5.0
SLOW_SENDERS = 200
"""The number of slow senders; each has two batches out, so that two workers have no capacity left for bulk."""
SLOW_RATE = 5
URGENT_SENDERS = 3
URGENT_MESSAGES = 300
"""The number of urgent messages of all senders together."""
_WORKERS = 2
_LATENCY_MS = 20
_SPACING_S = 0.05


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure a small campaign behind a huge campaign, and urgent messages behind bulk."""
    return [*_small_behind_huge(say), _urgent_behind_bulk(say)]


def _small_behind_huge(say: Callable[[str], None]) -> list[Figure]:
    senders = sender_names(len(RATES))
    say(f"small behind huge at {', '.join(f'{rate:,}/s' for rate in RATES)}")
    with (
        tempfile.TemporaryDirectory() as name,
        SlowProvider(Path(name), latency_ms=_LATENCY_MS) as provider,
        BenchmarkRig(provider.url, senders, workers=_WORKERS, rates=RATES) as rig,
    ):
        for sender in senders:
            rig.run_on_ledger(partial(write, sender=sender, messages=HUGE_WRITTEN, name="huge", declared=HUGE))
        rig.resume()
        time.sleep(HEAD_START_S)
        small = [(sender, rig.run_on_ledger(partial(_submit, rig=rig, sender=sender))) for sender in senders]
        rig.wait(lambda: all(rig.run_on_ledger(partial(_first_s, campaign=campaign)) for _, campaign in small))
        waited_s = [rig.run_on_ledger(partial(_first_s, campaign=campaign)) for _, campaign in small]
    return [
        Figure(
            name=f"small behind huge at {rate:,}/s, first message",
            value=first_s or 0.0,
            unit="s",
            better="less",
            must=5,
            aim=3,
        )
        for rate, first_s in zip(RATES, waited_s, strict=True)
    ]


def _urgent_behind_bulk(say: Callable[[str], None]) -> Figure:
    senders = sender_names(SLOW_SENDERS + URGENT_SENDERS)
    urgent, slow = senders[:URGENT_SENDERS], senders[URGENT_SENDERS:]
    say(f"{URGENT_MESSAGES} urgent messages of {URGENT_SENDERS} senders behind bulk of {SLOW_SENDERS} senders")
    rates = [0] * URGENT_SENDERS + [SLOW_RATE] * SLOW_SENDERS
    with (
        tempfile.TemporaryDirectory() as name,
        SlowProvider(Path(name), latency_ms=_LATENCY_MS) as provider,
        BenchmarkRig(provider.url, senders, workers=_WORKERS, rates=rates) as rig,
    ):
        rig.pause()
        for sender in slow:
            rig.run_on_ledger(partial(write, sender=sender, messages=2_500, name="bulk"))
        rig.resume()
        time.sleep(HEAD_START_S)
        accepted = rig.run_on_ledger(partial(_submit_urgent, rig=rig, senders=urgent))
        rig.wait(lambda: all(len(provider.arrivals().get(sender, ())) == len(accepted[sender]) for sender in urgent))
        arrivals = provider.arrivals()
    # The messages cannot be distinguished, so the first accepted message counts as the first pushed message.
    waits_ms = sorted(
        (at_s - accepted_at) * 1000
        for sender in urgent
        for accepted_at, at_s in zip(accepted[sender], sorted(arrivals[sender]), strict=True)
    )
    return Figure(
        name="urgent behind bulk, accepted to pushed, 99th percentile",
        value=waits_ms[len(waits_ms) * 99 // 100],
        unit="ms",
        better="less",
        must=500,
        aim=200,
        note=f"median {waits_ms[len(waits_ms) // 2]:.0f} ms",
    )


async def _submit(redis: Redis, *, rig: BenchmarkRig, sender: SenderId) -> CampaignId:
    """Write a small campaign and wake the workers, as ``dispatch submit`` does."""
    campaign = await write(redis, sender, 100, name="small")
    await wake_workers(rig.celery, await BatchLeases(redis).issue(sender))
    return campaign


async def _submit_urgent(
    redis: Redis, *, rig: BenchmarkRig, senders: Sequence[SenderId]
) -> dict[SenderId, list[float]]:
    """Submit the urgent messages one by one; return when each was accepted, on the monotonic clock."""
    accepted, app, leases = defaultdict[SenderId, list[float]](list), rig.celery, BatchLeases(redis)
    for sender in islice(cycle(senders), URGENT_MESSAGES):
        await write(redis, sender, 1, name="urgent", is_urgent=True)
        accepted[sender].append(time.monotonic())
        await wake_workers(app, await leases.issue(sender))
        await asyncio.sleep(_SPACING_S)
    return accepted


async def _first_s(redis: Redis, *, campaign: CampaignId) -> float | None:
    """Return the seconds from the creation of a campaign to its first message; None before the first message."""
    view = await Queries(redis).campaign(campaign)
    return (view.first_sent_ms - view.created_ms) / 1000 if view.first_sent_ms else None
