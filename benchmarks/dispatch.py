"""Dispatch, end to end: from the bells to the last record, with everything on; and two others on the same server."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis

from benchmarks import baseline_celery, baseline_http
from benchmarks.figures import Figure
from benchmarks.house import House, sender_names
from benchmarks.nginx import Nginx
from benchmarks.seeding import write_many
from benchmarks.usage import of_workers
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState

MESSAGES = 200_000
SENDERS = 4
WORKERS = 2
_BASELINE_MESSAGES = 6_000
_BARE_MESSAGES = 100_000


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure ourselves between the two baselines."""
    with tempfile.TemporaryDirectory(prefix="times-dispatch-bench-") as name, Nginx(Path(name)) as nginx:
        say("one Celery task per message")
        celery_per_s = baseline_celery.measure(nginx.url, Path(name), processes=WORKERS, messages=_BASELINE_MESSAGES)
        say("the bare HTTP client")
        bare = baseline_http.measure(nginx.url, processes=WORKERS, messages=_BARE_MESSAGES)
        say(f"ourselves, {MESSAGES:,} messages")
        per_s, cpu_us = dispatch(nginx)
    costs = ", ".join(f"{name} {us:.0f}" for name, us in sorted(cpu_us.items(), key=lambda item: -item[1]) if us >= 1)
    worker_us = of_workers(cpu_us)
    return [
        Figure(
            name="dispatch, end to end",
            value=per_s,
            unit="/s",
            must=10_000,
            aim=16_000,
            note=f"CPU µs/message: {costs}",
        ),
        Figure(
            name="against one Celery task per message",
            value=per_s / celery_per_s,
            unit="×",
            must=15,
            aim=25,
            note=f"they: {celery_per_s:,.0f}/s",
        ),
        Figure(
            name="against the bare HTTP client",
            value=100 * per_s / bare.per_s,
            unit="%",
            must=45,
            aim=65,
            note=f"it: {bare.per_s:,.0f}/s, {bare.cpu_us:.0f} µs a request",
        ),
        Figure(
            name="CPU per message in the worker",
            value=worker_us,
            unit="µs",
            better="less",
            must=150,
            aim=90,
            baseline=bare.cpu_us,
            note="baseline: the bare HTTP client",
        ),
    ]


def dispatch(nginx: Nginx, *, messages: int = MESSAGES) -> tuple[float, dict[str, float]]:
    """Return messages per second, and CPU microseconds for each message by process."""
    with House(nginx.url, sender_names(SENDERS), workers=WORKERS) as house:
        house.hold()
        campaigns = house.ask(lambda redis: write_many(redis, house.senders, messages))
        meter = house.meter(nginx.process)
        released_ms = house.release()
        house.wait(lambda: house.unsent(campaigns) == 0)
        used = meter.cpu_s()
        views = read(house, campaigns)
        house.wait(lambda: all(view.state is CampaignState.FINISHED for view in read(house, campaigns)))
        views = read(house, campaigns)
    accepted = sum(view.counts[MessageState.ACCEPTED] for view in views)
    if accepted != messages:
        raise AssertionError(f"{accepted} of {messages} messages were accepted")
    seconds = (max(view.finished_ms for view in views) - released_ms) / 1000
    return messages / seconds, {name: used_s / messages * 1e6 for name, used_s in used.items()}


def read(house: House, campaigns: list[tuple[SenderId, CampaignId]]) -> list[CampaignView]:
    """Return the campaigns as they stand."""

    async def views(redis: Redis) -> list[CampaignView]:
        return [await Queries(redis).campaign(campaign) for _, campaign in campaigns]

    return house.ask(views)
