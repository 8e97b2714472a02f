"""Pacing: the messages sent and received in any second, with three limits at the same time and four workers."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.rig import BenchmarkRig, sender_names
from benchmarks.seeding import write
from benchmarks.slow_provider import SlowProvider
from producers.submit import BATCH_SIZE
from times_dispatch.demo.comparison import max_per_second
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.records import read_records

RATES = (10, 500, 5_000)
WORKERS = 4
SECONDS = 30
_LATENCY_MS = 20


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure three senders with different limits at the same time."""
    senders = sender_names(len(RATES))
    say(f"{', '.join(f'{rate}/s' for rate in RATES)} for {SECONDS} s")
    with (
        tempfile.TemporaryDirectory() as name,
        SlowProvider(Path(name), latency_ms=_LATENCY_MS) as provider,
        BenchmarkRig(provider.url, senders, workers=WORKERS, rates=RATES) as rig,
    ):
        rig.pause()

        async def seed(redis: Redis) -> list[CampaignId]:
            # A tenth more messages than can be sent, so that the end of the campaign does not count as unused rate.
            return [
                await write(redis, sender, int(rate * SECONDS * 1.1) + 20)
                for sender, rate in zip(senders, RATES, strict=True)
            ]

        campaigns = rig.run_on_ledger(seed)
        rig.resume()
        time.sleep(SECONDS + 1)
        for sender in senders:
            rig.redis.hset(f"{{{sender}}}:sender", "paused", 1)
        time.sleep(1)
        sent = [
            rig.run_on_ledger(partial(_sent_ms, sender=sender, campaign=campaign))
            for sender, campaign in zip(senders, campaigns, strict=True)
        ]
        arrived = provider.arrivals()
    return [
        figure
        for sender, rate, sent_ms in zip(senders, RATES, sent, strict=True)
        for figure in _figures_of(rate, sent_ms, [int(at_s * 1000) for at_s in arrived[sender]])
    ]


def _figures_of(rate: int, sent_ms: list[int], arrived_ms: list[int]) -> list[Figure]:
    first_ms = sent_ms[0]
    used = sum(at_ms < first_ms + SECONDS * 1000 for at_ms in sent_ms)
    max_sent, max_arrived = max_per_second(sent_ms), max_per_second(sorted(arrived_ms))
    one_more = 100 * (rate + 1) / rate
    return [
        Figure(name=f"pacing {rate:,}/s, used", value=100 * used / (rate * SECONDS), unit="%", must=97, aim=99),
        Figure(
            name=f"pacing {rate:,}/s, sent in a second",
            value=100 * max_sent / rate,
            unit="%",
            better="less",
            must=max(105, one_more),
            aim=max(102, one_more),
            note=f"{max_sent:,}",
        ),
        Figure(
            name=f"pacing {rate:,}/s, arriving in a second",
            value=100 * max_arrived / rate,
            unit="%",
            better="less",
            must=max(110, one_more),
            aim=max(105, one_more),
            note=f"{max_arrived:,}",
        ),
    ]


async def _sent_ms(redis: Redis, *, sender: SenderId, campaign: CampaignId) -> list[int]:
    """Return the sorted times at which messages were sent, in milliseconds since the creation of the campaign."""
    view = await Queries(redis).campaign(campaign)
    key, sent_ms = campaign_key(sender, campaign), []
    for number in range(view.batches):
        packed: Any = await redis.get(f"{key}:m:{number}")
        count = min(BATCH_SIZE, view.total - number * BATCH_SIZE)
        sent_ms += [record.sent_ms for record in read_records(packed or b"", count) if record.sent_ms]
    return sorted(sent_ms)
