"""Dispatch from the wake-up of the workers to the last record, and two baselines on the same server."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from redis.asyncio import Redis

from benchmarks import baseline_celery, baseline_http
from benchmarks.figures import Figure
from benchmarks.nginx import Nginx
from benchmarks.rig import BenchmarkRig, sender_names, server_time_ms
from benchmarks.seeding import write_many
from benchmarks.usage import worker_cpu
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import LaneQueries
from times_dispatch.ledger.states import CampaignState, MessageState

MESSAGES = 200_000
SENDERS = 4
WORKERS = 2
_BASELINE_MESSAGES = 6_000
_BARE_CLIENT_MESSAGES = 100_000


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the two baselines, then dispatch."""
    with tempfile.TemporaryDirectory(prefix="times-dispatch-bench-") as name, Nginx(Path(name)) as nginx:
        say("one Celery task per message")
        celery_per_s = baseline_celery.measure(nginx.url, Path(name), processes=WORKERS, messages=_BASELINE_MESSAGES)
        say("the bare HTTP client")
        bare = baseline_http.measure(nginx.url, processes=WORKERS, messages=_BARE_CLIENT_MESSAGES)
        say(f"times-dispatch, {MESSAGES:,} messages")
        per_s, cpu_us = dispatch(nginx)
    costs = ", ".join(f"{name} {us:.0f}" for name, us in sorted(cpu_us.items(), key=lambda item: -item[1]) if us >= 1)
    worker_us = worker_cpu(cpu_us)
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
            note=f"baseline: {celery_per_s:,.0f}/s",
        ),
        Figure(
            name="against the bare HTTP client",
            value=100 * per_s / bare.per_s,
            unit="%",
            must=45,
            aim=65,
            note=f"baseline: {bare.per_s:,.0f}/s, {bare.cpu_us:.0f} µs a request",
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


def dispatch(
    nginx: Nginx,
    *,
    messages: int = MESSAGES,
    warm_up: int = 0,
    senders: Sequence[SenderId] = (),
    lanes: int = 1,
    cluster: EmbeddedCluster | None = None,
) -> tuple[float, dict[str, float]]:
    """Return the messages per second, and the CPU microseconds of each process per message.

    Args:
        nginx: the provider.
        messages: the number of messages of all senders together, with those of the warm-up.
        warm_up: the number of messages sent before the measurement begins, while the workers make their connections.
        senders: the senders; by default, senders with generated names.
        lanes: the number of lanes of each sender.
        cluster: the cluster with the ledger; None makes a single Redis.

    Raises:
        AssertionError: not every message was accepted.
    """
    names = senders or sender_names(SENDERS)
    with BenchmarkRig(nginx.url, names, workers=WORKERS, ca_file=nginx.ca_file, lanes=lanes, cluster=cluster) as rig:
        rig.pause()
        campaigns = rig.run_on_ledger(lambda redis: write_many(redis, rig.senders, messages, lanes=lanes))
        meter, measured = rig.meter(nginx.process), messages
        began_ms = rig.resume()
        if warm_up:
            rig.wait(lambda: rig.unsent(campaigns) <= messages - warm_up, every_s=0.02)
            meter, measured = rig.meter(nginx.process), rig.unsent(campaigns)
            began_ms = rig.run_on_ledger(server_time_ms)
        rig.wait(lambda: rig.unsent(campaigns) == 0)
        used = meter.cpu_s()
        views = read_views(rig, campaigns)
        rig.wait(lambda: all(view.state is CampaignState.FINISHED for view in read_views(rig, campaigns)))
        views = read_views(rig, campaigns)
    accepted = sum(view.counts[MessageState.ACCEPTED] for view in views)
    if accepted != messages:
        raise AssertionError(f"{accepted} of {messages} messages were accepted")
    seconds = (max(view.finished_ms for view in views) - began_ms) / 1000
    return measured / seconds, {name: used_s / measured * 1e6 for name, used_s in used.items()}


def read_views(rig: BenchmarkRig, campaigns: list[tuple[SenderId, CampaignId]]) -> list[CampaignView]:
    """Return the views of the campaigns."""

    async def views(redis: Redis) -> list[CampaignView]:
        return [await LaneQueries(redis).campaign(campaign) for _, campaign in campaigns]

    return rig.run_on_ledger(views)
