"""The stage: the whole stack of real processes, what is wrong with it at the moment, and what was done to it."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from redis.asyncio import Redis

from tests.chaos.settings import RATES, SANDBOX, dispatch_toml
from times_dispatch.demo.processes import Process
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState

REDIS = "redis"
_NICENESS = 5


MessageKey = tuple[CampaignId, int, int]
"""Campaign, batch, index within the batch."""


@dataclass
class Span:
    """A stretch of time, in seconds since the epoch."""

    begin_s: float
    end_s: float = float("inf")

    def holds(self, at_s: float) -> bool:
        """Say whether a moment lies in it."""
        return self.begin_s <= at_s < self.end_s


@dataclass
class RateChange:
    """A rate that was in force for sure from ``end_s`` on, and possibly from ``begin_s``."""

    span: Span
    rate_per_s: float


@dataclass
class Loss:
    """A worker that was killed, or frozen for longer than its leases."""

    at_s: float
    name: str
    open: set[MessageKey] | None = None
    """What it was sending; None if Redis could not be asked."""


@dataclass
class Notes:
    """What was done, by whoever did it; times in seconds since the epoch."""

    deeds: list[tuple[float, str]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    campaign_pauses: dict[str, list[Span]] = field(default_factory=dict)
    sender_pauses: dict[str, list[Span]] = field(default_factory=dict)
    rates: dict[str, list[RateChange]] = field(default_factory=dict)
    stops_s: list[float] = field(default_factory=list)
    """How long processes took to end in order."""
    reported_in_doubt: int = 0
    """Messages that were in doubt although the provider had accepted and reported them, before any was sent again."""


class Stage:
    """The stack under attack. Enter it outside of any event loop, then ``open`` its clients inside of one."""

    def __init__(self, *, seed: int, lease_s: float, workers: int = 2, reconcilers: int = 2) -> None:
        self.lease_s = lease_s
        self.seed = seed
        self.stack = Stack(
            settings=dispatch_toml(lease_s),
            workers=workers,
            reconcilers=reconcilers,
            appendfsync="always",
            sandbox={**SANDBOX, "seed": seed},
        )
        self.down: set[str] = set()
        """What is killed, frozen or out of order at the moment."""
        self.notes = Notes(rates={name: [RateChange(Span(0, 0), rate)] for name, rate in RATES.items()})
        self._background: list[asyncio.Task[None]] = []
        self.held: dict[str, CampaignId] = {}
        """Campaigns that somebody paused, by sender."""
        self.campaigns: dict[CampaignId, str] = {}
        """All that were submitted, with their senders."""
        self.sent: dict[CampaignId, int] = {}
        """How many messages each has, by the recipients file."""

    def __enter__(self) -> Self:
        try:
            self.stack.start()
            for name in self.stack.processes:
                self.yield_to_the_sandbox(name)
        except BaseException:
            self._end()
            raise
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

    async def open(self) -> None:
        """Open the clients on the running event loop."""
        # Short waits and no repetitions: whoever looks on must notice at once when Redis is not there.
        self.redis: Redis = connect(self.stack.redis.url, socket_timeout_s=1.0, retries=0)
        self.views = Queries(self.redis)
        self.sandbox = httpx.AsyncClient(base_url=self.stack.sandbox_url, timeout=10, trust_env=False)

    def in_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Let something go on beside the faults; wait for it with ``background``."""
        self._background.append(asyncio.create_task(coroutine))

    async def background(self) -> None:
        """Wait for all that goes on in the background."""
        await asyncio.gather(*self._background)

    async def close(self) -> None:
        """Close the clients."""
        for task in self._background:
            task.cancel()
        await self.sandbox.aclose()
        await self.redis.aclose()

    def process(self, name: str) -> Process:
        """Return a process by its name."""
        return self.stack.processes[name]

    def yield_to_the_sandbox(self, name: str) -> None:
        """Let the sandbox go before a process: what measures must not wait for what is measured."""
        if name != "sandbox" and (pid := self.process(name).pid):
            os.setpriority(os.PRIO_PGRP, pid, _NICENESS)

    def check(self) -> None:
        """Raise ``ProcessFailed`` if something that should run has ended by itself."""
        for name, process in self.stack.processes.items():
            if name not in self.down:
                process.check()

    def note(self, what: str) -> None:
        """Write down what was done, with the time."""
        self.notes.deeds.append((time.time(), what))

    @property
    def can_send(self) -> bool:
        """Say whether all that sending needs is there: Redis, beat, and a worker."""
        return not self.down & {REDIS, "beat"} and not set(self.stack.worker_names) <= self.down

    async def running_campaign(self, sender: str) -> CampaignId | None:
        """Return the sender's newest running campaign."""
        for campaign, of in reversed(self.campaigns.items()):
            if of == sender and (await self.views.campaign(campaign)).state is CampaignState.RUNNING:
                return campaign
        return None

    def keep(self, folder: Path) -> None:
        """Copy logs and journal to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in [*self.stack.folder.glob("*.log"), self.journal]:
            if file.exists():
                shutil.copy(file, folder)

    @property
    def journal(self) -> Path:
        """The sandbox's journal."""
        return self.stack.folder / str(SANDBOX["journal"])


async def until(moment_s: float) -> None:
    """Sleep until a moment of ``time.time``."""
    await asyncio.sleep(max(0.0, moment_s - time.time()))
