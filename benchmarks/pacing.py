"""Pacing: what is let go and what arrives in any second, against three limits at once, with four workers."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.house import House, sender_names
from benchmarks.seeding import write
from benchmarks.slow_provider import SlowProvider
from producers.submit import BATCH_SIZE
from times_dispatch.demo.reckoning import most_in_a_second
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.records import read

RATES = (10, 500, 5_000)
WORKERS = 4
SECONDS = 30
_LATENCY_MS = 20


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the three rates in the same half minute."""
    senders = sender_names(len(RATES))
    say(f"{', '.join(f'{rate}/s' for rate in RATES)} for {SECONDS} s")
    with (
        tempfile.TemporaryDirectory() as name,
        SlowProvider(Path(name), latency_ms=_LATENCY_MS) as provider,
        House(provider.url, senders, workers=WORKERS, rates=RATES) as house,
    ):
        house.hold()

        async def seed(redis: Redis) -> list[CampaignId]:
            # A tenth more than can go, so that the end of the campaign does not count as a rate not used.
            return [
                await write(redis, sender, int(rate * SECONDS * 1.1) + 20)
                for sender, rate in zip(senders, RATES, strict=True)
            ]

        campaigns = house.ask(seed)
        house.release()
        time.sleep(SECONDS + 1)
        for sender in senders:
            house.redis.hset(f"{{{sender}}}:pace", "paused", 1)
        time.sleep(1)
        let_go = [
            house.ask(partial(_let_go_ms, sender=sender, campaign=campaign))
            for sender, campaign in zip(senders, campaigns, strict=True)
        ]
        arrived = provider.arrivals()
    return [
        figure
        for sender, rate, moments in zip(senders, RATES, let_go, strict=True)
        for figure in _judged(rate, moments, [int(moment * 1000) for moment in arrived[sender]])
    ]


def _judged(rate: int, let_go: list[int], arrived: list[int]) -> list[Figure]:
    first = let_go[0]
    used = sum(moment < first + SECONDS * 1000 for moment in let_go)
    most_let_go, most_arrived = most_in_a_second(let_go), most_in_a_second(sorted(arrived))
    one_more = 100 * (rate + 1) / rate
    return [
        Figure(name=f"pacing {rate:,}/s, used", value=100 * used / (rate * SECONDS), unit="%", must=97, aim=99),
        Figure(
            name=f"pacing {rate:,}/s, let go in a second",
            value=100 * most_let_go / rate,
            unit="%",
            better="less",
            must=max(105, one_more),
            aim=max(102, one_more),
            note=f"{most_let_go:,}",
        ),
        Figure(
            name=f"pacing {rate:,}/s, arriving in a second",
            value=100 * most_arrived / rate,
            unit="%",
            better="less",
            must=max(110, one_more),
            aim=max(105, one_more),
            note=f"{most_arrived:,}",
        ),
    ]


async def _let_go_ms(redis: Redis, *, sender: SenderId, campaign: CampaignId) -> list[int]:
    """Return the moments at which messages were let go, in milliseconds since the campaign was made, sorted."""
    view = await Queries(redis).campaign(campaign)
    key, moments = campaign_key(sender, campaign), []
    for number in range(view.batches):
        packed: Any = await redis.get(f"{key}:m:{number}")
        count = min(BATCH_SIZE, view.total - number * BATCH_SIZE)
        moments += [record.let_go_ms for record in read(packed or b"", count) if record.let_go_ms]
    return sorted(moments)
