"""The rig of the benchmarks: real workers, Redis with its append-only file, and beat, with a given provider."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase
from types import TracebackType
from typing import TypeVar

import redis as blocking
from celery import Celery
from redis.asyncio import Redis

from benchmarks.usage import Meter
from times_dispatch.broker.app import celery_app, wake_workers
from times_dispatch.demo.processes import Process
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.lanes.names import known_lanes
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.settings.load import load
from times_dispatch.settings.model import Settings

T = TypeVar("T")

TEMPLATE = "Dear {#var#}, your order {#var#} for {#var#} has been shipped and reaches you within 3 days. - TIMES"
CONTENT_ID = "1207161786534401928"
_WAIT_TIMEOUT_S = 300.0


def sender_names(count: int) -> list[SenderId]:
    """Return *count* different sender names."""
    return [SenderId("BN" + "".join(letters)) for letters in islice(product(ascii_uppercase, repeat=4), count)]


def settings_text(
    senders: Sequence[str],
    *,
    rates: Sequence[float] = (),
    max_in_flight: int = 400,
    ca_file: Path | None = None,
    lanes: int = 1,
) -> str:
    """Return the text of a ``dispatch.toml`` with these senders; without *rates* the senders have no limit.

    Args:
        senders: the senders.
        rates: the rate of each sender, in messages per second; none for no limit.
        max_in_flight: the maximum number of pushes in flight of one worker.
        ca_file: a file with the CA of the provider's certificate; None for the default certificates.
        lanes: the number of lanes of each sender.
    """
    lines = ['[providers.timesmobile]\npreset = "timesmobile-post"\ndefault = true\n']
    if ca_file:
        lines[0] += f'ca_file = "{ca_file}"\n'
    for index, sender in enumerate(senders):
        rate = rates[index] if rates else 0
        lines.append(
            f'[senders.{sender}]\ncategory = "service"\nentity_id = "1201159134572839402"\nrate_per_s = {rate}\n'
            f"lanes = {lanes}\n"
        )
    names = ", ".join(f'"{sender}"' for sender in senders)
    lines.append(f'[templates.shipped]\nsenders = [{names}]\ncontent_id = "{CONTENT_ID}"\ntext = "{TEMPLATE}"\n')
    lines.append(f"[worker]\nmax_in_flight = {max_in_flight}\n")
    return "\n".join(lines)


async def server_time_ms(redis: Redis) -> int:
    """Return the time by the clock of the Redis server, in epoch milliseconds."""
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


class BenchmarkRig:
    """A context manager that runs the stack.

    Args:
        endpoint: The URL to which workers push.
        senders: The senders in the settings.
        workers: Number of worker processes.
        rates: The senders' limits in messages per second, in the same order; none by default.
        max_in_flight: Pushes in flight of each worker.
        ca_file: The CA of the provider's certificate, if the endpoint is https.
        lanes: Number of lanes of each sender.
        console: Whether the console is started.
        cluster: The cluster that holds the ledger; by default the stack's own Redis holds the ledger.
    """

    def __init__(
        self,
        endpoint: str,
        senders: Sequence[SenderId],
        *,
        workers: int = 2,
        rates: Sequence[float] = (),
        max_in_flight: int = 400,
        ca_file: Path | None = None,
        lanes: int = 1,
        console: bool = False,
        cluster: EmbeddedCluster | None = None,
    ) -> None:
        self.senders = list(senders)
        self._cluster = cluster
        self.stack = Stack(
            ledger_url=cluster.url if cluster else "",
            settings=settings_text(senders, rates=rates, max_in_flight=max_in_flight, ca_file=ca_file, lanes=lanes),
            workers=workers,
            console=console,
            environment={"DISPATCH_PROVIDER_TIMESMOBILE_ENDPOINT": endpoint},
        )

    def __enter__(self) -> "BenchmarkRig":
        self.stack.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, trace)

    @property
    def settings(self) -> Settings:
        """The settings of the processes."""
        return load(self.stack.folder / "dispatch.toml", self.stack.environment)

    @property
    def celery(self) -> Celery:
        """A Celery app that can wake workers."""
        return celery_app(self.settings)

    @property
    def redis(self) -> "blocking.Redis":
        """A new blocking client of the ledger, for code outside of an event loop."""
        return blocking.Redis.from_url(self.stack.redis.url)

    def meter(self, *more: Process | tuple[str, int]) -> Meter:
        """Start to measure the CPU time of all processes of the rig, and of *more*."""
        shards = enumerate(self._cluster.servers, 1) if self._cluster else ()
        servers = [("redis", self.stack.redis.pid), *((f"shard-{number}", server.pid) for number, server in shards)]
        return Meter([*self.stack.processes.values(), *servers, *more])

    def run_on_ledger(self, call: Callable[[Redis], Awaitable[T]]) -> T:
        """Run a coroutine function with a client of the ledger; return its result."""

        async def call_with_client() -> T:
            redis = connect(self.stack.redis_url(""))
            try:
                return await call(redis)
            finally:
                await redis.aclose()

        return asyncio.run(call_with_client())

    def pause(self, *senders: SenderId) -> None:
        """Pause some senders or all senders until ``resume``."""

        async def pause_senders(redis: Redis) -> None:
            for sender in senders or self.senders:
                await Control(redis).pause_sender(sender)

        self.run_on_ledger(pause_senders)

    def resume(self, *senders: SenderId) -> int:
        """Resume some or all senders, and wake the workers; return the time by Redis' clock, in milliseconds."""
        app = self.celery

        async def resume_senders(redis: Redis) -> int:
            resumed_ms = await server_time_ms(redis)
            for sender in senders or self.senders:
                await Control(redis).resume_sender(sender)
                for lane in await known_lanes(redis, sender):
                    await wake_workers(app, await BatchLeases(redis).issue(lane))
            return resumed_ms

        return self.run_on_ledger(resume_senders)

    def unsent(self, campaigns: Sequence[tuple[SenderId, CampaignId]]) -> int:
        """Return the number of messages that are pending or being sent."""
        if self._cluster:
            return self.run_on_ledger(partial(_unsent_on_cluster, campaigns))
        pipe = self.redis.pipeline(transaction=False)
        for sender, campaign in campaigns:
            pipe.hmget(campaign_key(sender, campaign), "p", "s")
        return sum(int(value) for pair in pipe.execute() for value in pair)

    def upkeep_is_idle(self) -> bool:
        """Return whether upkeep has shown every changed campaign in Flower; every new campaign is shown once."""
        pipe = self.redis.pipeline(transaction=False)
        for sender in self.senders:
            pipe.scard(f"{hash_tag(sender)}:changed")
        return not any(pipe.execute())

    def wait(self, reached: Callable[[], bool], *, every_s: float = 0.1, within_s: float = _WAIT_TIMEOUT_S) -> None:
        """Wait until *reached* is true; raise ProcessFailed if a process ends, and TimeoutError after *within_s*."""
        until = time.monotonic() + within_s
        while not reached():
            self.stack.check()
            if time.monotonic() > until:
                raise TimeoutError(f"the wait took longer than {within_s:.0f} s")
            time.sleep(every_s)


async def _unsent_on_cluster(campaigns: Sequence[tuple[SenderId, CampaignId]], redis: Redis) -> int:
    async with redis.pipeline(transaction=False) as pipe:
        for sender, campaign in campaigns:
            pipe.hmget(campaign_key(sender, campaign), ["p", "s"])
        return sum(int(value) for pair in await pipe.execute() for value in pair)
