"""The simulated provider: accepts, refuses, stalls and lies by its seed, keeps books of its own, and posts reports."""

import asyncio
import contextvars
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

import msgspec

from tests.simulation.loop import SimulatedLoop
from times_dispatch.provider.failures import TOO_LATE
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push import Push

ACCEPTED = Outcome(Verdict.ACCEPTED, code=200, parts=1)
REJECTED = Outcome(Verdict.REJECTED, code=2054, reason="invalid mobile number")
NOT_SENT = Outcome(Verdict.NOT_SENT, code=11, reason="no connection")
THROTTLED = Outcome(Verdict.THROTTLED, code=429, retry_after_s=1.0, reason="too many requests")
IN_DOUBT = Outcome(Verdict.IN_DOUBT, code=12, reason="no answer in time")


class Acceptance(NamedTuple):
    """A message that the provider accepted, and when."""

    attempt: int
    at_s: float


class Behaviour(msgspec.Struct):
    """How the provider treats pushes; shares of 1."""

    latency_s: float = 0.05
    rejected: float = 0.01
    not_sent: float = 0.0
    throttled: float = 0.0
    answer_lost: float = 0.002
    """Accepted, and the answer never comes."""
    report_lost: float = 0.02
    report_doubled: float = 0.05
    report_failed: float = 0.1
    report_delay_s: float = 20.0


class SimulatedProvider:
    """One provider. Its books survive whatever happens to our side, and are what ours are compared with."""

    def __init__(
        self, loop: SimulatedLoop, random: Random, *, id_key: bytes, post: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self.behaviour = Behaviour()
        self.accepted: defaultdict[tuple[str, int], list[Acceptance]] = defaultdict(list)
        """By campaign and index."""
        self._new: list[tuple[str, int]] = []
        self.begun: list[tuple[float, str, str]] = []
        """Every push that began: virtual time, sender, campaign."""
        self.reported: Counter[str] = Counter()
        self._loop = loop
        self._random = random
        self._ids = CorrelationIds(id_key)
        self._post = post
        self._reports: set[asyncio.Task[None]] = set()

    async def push(self, push: Push, may_begin: Callable[[], bool] | None) -> Outcome:
        """Take one push as ``times_dispatch.provider.client.Client.push`` does."""
        draw, random = self._random.random, self._random
        behaviour = self.behaviour
        if draw() < behaviour.not_sent:
            return NOT_SENT
        if may_begin and not may_begin():
            return TOO_LATE
        self.begun.append((self._loop.time(), push.sender, push.campaign))
        ref = self._ids.parse(push.correlation_id)
        assert ref is not None, "the id of a push carries no valid signature"
        if draw() < behaviour.throttled:
            await asyncio.sleep(random.expovariate(1 / behaviour.latency_s))
            return THROTTLED
        if draw() < behaviour.rejected:
            await asyncio.sleep(random.expovariate(1 / behaviour.latency_s))
            return REJECTED
        # From here on the provider has the message, whatever becomes of the process that pushed it.
        self.accepted[ref.campaign, ref.index].append(Acceptance(ref.attempt, self._loop.time()))
        self._new.append((ref.campaign, ref.index))
        self._report_later(push.correlation_id)
        if draw() < behaviour.answer_lost:
            await asyncio.sleep(15)
            return IN_DOUBT
        await asyncio.sleep(random.expovariate(1 / behaviour.latency_s))
        return ACCEPTED

    def newly_accepted(self) -> list[tuple[str, int]]:
        """Return the rows that were accepted since the last call."""
        new, self._new = self._new, []
        return new

    async def settle(self) -> None:
        """Wait until every report was posted."""
        while self._reports:
            await asyncio.wait(self._reports)

    def _report_later(self, correlation_id: str) -> None:
        draw, behaviour = self._random.random, self.behaviour
        if draw() < behaviour.report_lost:
            return
        kind = "failed" if draw() < behaviour.report_failed else "delivered"
        self.reported[kind] += 1
        for _ in range(2 if draw() < behaviour.report_doubled else 1):
            delay_s = self._random.expovariate(1 / behaviour.report_delay_s)
            # A context of its own: the report comes even if the process that pushed is killed.
            task = self._loop.create_task(self._report(correlation_id, kind, delay_s), context=contextvars.Context())
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)

    async def _report(self, correlation_id: str, kind: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        row = {"ts": 2_000_000_000 + int(self._loop.time()), "meta": correlation_id, "description": kind}
        if kind == "failed":
            row["code"] = "910"
        await self._post(msgspec.json.encode([{"event": kind, "data": [row]}]))


class SimulatedClient:
    """Stands for ``times_dispatch.provider.client.Client`` in one process."""

    def __init__(self, provider: SimulatedProvider) -> None:
        self._provider = provider

    async def push(self, push: Push, *, may_begin: Callable[[], bool] | None = None) -> Outcome:
        return await self._provider.push(push, may_begin)

    async def aclose(self) -> None:
        pass
