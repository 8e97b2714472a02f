"""The testbed: the whole stack of real processes, the present faults, and a log of all actions."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from redis.asyncio import Redis

from tests.chaos.faked_clock import FakedClock
from tests.chaos.figure import ChaosFigure
from tests.chaos.replica import Replica
from tests.chaos.settings import RATES, SANDBOX, dispatch_toml, sandbox_options
from tests.chaos.standstill import StandstillWatch
from tests.chaos.wire import Wire
from times_dispatch.demo.processes import Process
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState

REDIS = "redis"
_NICENESS = 5
_MAX_NICENESS = 19


MessageKey = tuple[CampaignId, int, int]
"""Campaign, number of the batch, index within the batch."""


@dataclass
class Span:
    """A span of time, in seconds since the epoch."""

    begin_s: float
    end_s: float = float("inf")

    def contains(self, at_s: float) -> bool:
        """Return whether a time lies in the span."""
        return self.begin_s <= at_s < self.end_s


@dataclass
class Pause(Span):
    """A pause, from the end of the pause command to the resume."""

    asked_s: float = field(kw_only=True)
    """When the command was started; the pause takes effect at some time before the command ends."""


@dataclass
class RateChange:
    """A change of a rate: the rate is in force after ``end_s`` at the latest, and after ``begin_s`` at the earliest."""

    span: Span
    rate_per_s: float


@dataclass
class LostWorker:
    """A worker that was killed, or frozen for longer than its leases."""

    at_s: float
    name: str
    open: set[MessageKey] | None = None
    """The messages that the worker was sending; None if Redis was away and could not be read."""


@dataclass(frozen=True)
class Kill:
    """A worker that was killed, and the campaigns that had messages to send."""

    at_s: float
    name: str
    unsent: set[CampaignId]


@dataclass
class EventLog:
    """All actions and faults of a run; times are seconds since the epoch."""

    actions: list[tuple[float, str]] = field(default_factory=list)
    lost_workers: list[LostWorker] = field(default_factory=list)
    campaign_pauses: dict[str, list[Pause]] = field(default_factory=dict)
    sender_pauses: dict[str, list[Pause]] = field(default_factory=dict)
    rates: dict[str, list[RateChange]] = field(default_factory=dict)
    stops_s: list[float] = field(default_factory=list)
    """How long, in seconds, processes took to end after SIGTERM."""
    cancelled: set[CampaignId] = field(default_factory=set)
    """Campaigns that were cancelled."""
    kills: list[Kill] = field(default_factory=list)
    """Kills after which every campaign must continue soon (``goes_on``)."""
    opened_alone: int = 0
    """Messages that a primary without replicas opened, and that its promoted replica does not have."""
    measured: list[ChaosFigure] = field(default_factory=list)
    """Figures that scripts of scenarios measured."""
    reported_in_doubt: int = 0
    """Messages in doubt that the provider had accepted and reported, counted before the resend."""


@dataclass(frozen=True)
class TestbedOptions:
    """Options of the stack that some runs need."""

    __test__ = False  # for pytest, which takes classes of this name for tests

    workers: int = 2
    rates: Mapping[str, float] = field(default_factory=lambda: RATES)
    """Rate limits of the senders, in messages per second; 0 means no limit."""
    lanes: Mapping[str, int] = field(default_factory=dict)
    """The number of lanes of each sender that has lanes."""
    wires: tuple[str, ...] = ()
    """Processes that reach Redis through their own wire; "" stands for all other processes and for commands."""
    has_replica: bool = False
    """Whether Redis has a replica, which follows through the wire ``REPLICATION``."""
    links: bool = False
    """Whether campaigns have tracked links, which recipients click, and the links process runs."""
    fakes_clock: bool = False
    """Whether the clock of the Redis process can be set (``clock``); needs libfaketime."""
    stack: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the stack that override the arguments of the chaos suite."""


class ChaosTestbed:
    """The stack with its faults.

    Enter the context outside of any event loop, because entering it starts the processes; then ``open`` the clients
    inside an event loop.
    """

    def __init__(self, *, seed: int, lease_s: float, options: TestbedOptions | None = None) -> None:
        options = options or TestbedOptions()
        self.lease_s = lease_s
        self.seed = seed
        self.has_links = options.links
        self.clock = FakedClock() if options.fakes_clock else None
        arguments: dict[str, Any] = {
            "settings": dispatch_toml(lease_s, options.rates, lanes=options.lanes, with_links=options.links),
            "links": options.links,
            "workers": options.workers,
            "reconcilers": 2,
            "appendfsync": "always",
            "sandbox": sandbox_options(seed, with_links=options.links),
            "redis_executable": str(self.clock.server()) if self.clock else None,
        }
        self.stack = Stack(**{**arguments, **options.stack})
        self.wires = {name: Wire() for name in options.wires}
        """Wires to Redis, by the process that uses the wire."""
        self.replica = Replica(self.stack.redis) if options.has_replica else None
        self.down: set[str] = set()
        """Names of processes that are now killed, frozen or failing."""
        self.events = EventLog(rates={name: [RateChange(Span(0, 0), rate)] for name, rate in options.rates.items()})
        self.standstills = StandstillWatch()
        self._background: list[asyncio.Task[None]] = []
        self.paused_campaigns: dict[str, CampaignId] = {}
        """Campaigns that an operator action paused, by sender."""
        self.campaigns: dict[CampaignId, str] = {}
        """All submitted campaigns, with their senders."""
        self.unwatched: set[CampaignId] = set()
        """Campaigns that the monitor does not sample, because there are too many of them."""
        self.sent: dict[CampaignId, int] = {}
        """Number of messages of each campaign, according to its recipients file."""

    def __enter__(self) -> Self:
        with ExitStack() as if_it_fails:
            if_it_fails.callback(self._end)
            self._start_redis()
            self.stack.start()
            for name in self.stack.processes:
                self.lower_priority(name)
            if_it_fails.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(in_order=kind is None)

    def _end(self, *, in_order: bool = False) -> None:
        if not in_order:
            for process in self.stack.processes.values():
                process.kill()
        self.stack.redis.send(signal.SIGCONT)
        self.stack.stop()
        if self.replica:
            self.replica.stop()
        for wire in self.wires.values():
            wire.stop()
        if self.clock:
            self.clock.remove()

    def _start_redis(self) -> None:
        self.stack.redis.start()
        for name, wire in self.wires.items():
            wire.start(self.stack.redis.port)
            self.stack.redis_ports[name] = wire.port
        if self.replica:
            self.replica.start()

    async def open(self) -> None:
        """Open the clients on the running event loop."""
        # Short time-outs and no retries, so that the monitor notices at once when Redis is away.
        self.redis: Redis = connect(self.ledger_url, socket_timeout_s=1.0, retries=0)
        self.queries = Queries(self.redis)
        self.sandbox = httpx.AsyncClient(base_url=self.stack.sandbox_url, timeout=10, trust_env=False)

    async def reconnect(self) -> None:
        """Open the ledger's client again after another server has become the primary."""
        old = self.redis
        self.redis = connect(self.ledger_url, socket_timeout_s=1.0, retries=0)
        self.queries = Queries(self.redis)
        await old.aclose()

    def start_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine while faults are injected; ``wait_for_background`` waits for its end."""
        self._background.append(asyncio.create_task(coroutine))

    async def wait_for_background(self) -> None:
        """Wait for all coroutines in the background."""
        await asyncio.gather(*self._background)

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await self.sandbox.aclose()
        await self.redis.aclose()

    @property
    def ledger_url(self) -> str:
        """The URL of the present primary, without a wire."""
        return self.replica.url if self.replica and self.replica.is_promoted else self.stack.redis.url

    def process(self, name: str) -> Process:
        """Return a process by its name."""
        return self.stack.processes[name]

    def lower_priority(self, name: str) -> None:
        """Give a process a lower priority than the sandbox, because the sandbox measures times of arrival."""
        if name != "sandbox" and (pid := self.process(name).pid):
            os.setpriority(os.PRIO_PGRP, pid, min(_MAX_NICENESS, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS))

    def check(self) -> None:
        """Raise ``ProcessFailed`` if a process that should run has ended by itself."""
        for name, process in self.stack.processes.items():
            if name not in self.down:
                process.check()

    def log_action(self, action: str) -> None:
        """Add an action to the event log, with the time."""
        self.events.actions.append((time.time(), action))

    @property
    def can_send(self) -> bool:
        """Whether all processes that sending needs are running: Redis, beat, and a worker."""
        return not self.down & {REDIS, "beat"} and not set(self.stack.worker_names) <= self.down

    async def sending_campaign(self, sender: str, *, within_s: float = 8.0) -> CampaignId | None:
        """Return a running campaign of the sender; prefer a campaign that sends within this time.

        A pause is tried on a campaign that sends, because only such a campaign shows when the pause takes effect.
        """
        unsent: dict[CampaignId, int] = {}
        end = asyncio.get_running_loop().time() + within_s
        while True:
            views = await self.queries.of_sender(
                SenderId(sender), [campaign for campaign, its_sender in self.campaigns.items() if its_sender == sender]
            )
            running = [view for view in views if view.state is CampaignState.RUNNING]
            for view in running:
                if view.counts[MessageState.PENDING] < unsent.get(view.id, 0):
                    return view.id
                unsent[view.id] = view.counts[MessageState.PENDING]
            if not running or asyncio.get_running_loop().time() > end:
                return running[-1].id if running else None
            await asyncio.sleep(0.2)

    def copy_logs(self, folder: Path) -> None:
        """Copy all logs and the sandbox's journal to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in [*self.stack.folder.glob("*.log"), self.journal]:
            if file.exists():
                shutil.copy(file, folder)

    @property
    def logs(self) -> dict[str, Path]:
        """The log files of all processes, by name."""
        return {name: process.log for name, process in self.stack.processes.items()}

    @property
    def journal(self) -> Path:
        return self.stack.folder / str(SANDBOX["journal"])


async def until(at_s: float) -> None:
    """Sleep until a time, in seconds since the epoch."""
    await asyncio.sleep(max(0.0, at_s - time.time()))
