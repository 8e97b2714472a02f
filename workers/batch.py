"""One batch at work: open a block, push its messages at their times, record what came of them; until nothing is left.

Nothing here waits for the slowest push: blocks are opened while earlier ones are still in flight, and outcomes are
written in small groups as they come.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from campaigns.errors import LeaseLost
from campaigns.model import Plan
from campaigns.work import Block, Closed, Drained, Lease, Opened, Wait, Work, new_operation
from timesmobile.client import Client
from timesmobile.encoding import measure
from timesmobile.ids import CorrelationIds
from timesmobile.messages import Push
from timesmobile.outcomes import BrakeScope, Outcome, Verdict
from timesmobile.templates import Template
from workers.capacity import Capacity
from workers.results import Pushed, consequence, part_disagreements, result

BLOCK = 100
"""The most messages of one block, where no limit makes it smaller."""
_GROUP = 64
"""Outcomes are written when so many are there …"""
_GROUP_WAIT_S = 0.02
"""… or the first of them is so old."""
_LONGEST_SLEEP_S = 5.0
"""A longer wait is asked about again: pauses and rate changes should be seen."""
_RETRY_S = 0.25
_START_WITHIN_S = 0.75
"""A message whose push has not begun so long after its block was asked for goes back: a pause may have come since."""
_IN_DOUBT = Outcome(verdict=Verdict.IN_DOUBT, code=14, reason="the push was cut short by a stop")

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Batch:
    """A leased batch on its way through this process."""

    def __init__(
        self,
        lease: Lease,
        plan: Plan,
        *,
        work: Work,
        client: Client,
        ids: CorrelationIds,
        capacity: Capacity,
        turnstile: asyncio.Lock,
        lease_deadline: float,
        on_drained: Callable[[], Awaitable[None]],
        on_provider_brake: Callable[[str], Awaitable[None]],
    ) -> None:
        self.lease = lease
        self.lease_deadline = lease_deadline
        """On this process' monotonic clock: from then on no push of this batch may start."""
        self.verdicts: Counter[str] = Counter()
        self.why = "done"
        self._plan = plan
        self._template = Template(plan.text)
        self._work = work
        self._client = client
        self._ids = ids
        self._capacity = capacity
        self._turnstile = turnstile
        self._on_drained = on_drained
        self._on_provider_brake = on_provider_brake
        self._stopping = asyncio.Event()
        self._lost = False
        self._in_flight: set[asyncio.Task[None]] = set()
        self._pushed: list[Pushed] = []
        self._news = asyncio.Event()
        self._wrote = asyncio.Event()
        self._returned = False
        self._give_up_at = float("inf")
        self._recorder: asyncio.Task[None] | None = None

    def stop(self, *, grace_s: float = 0.0) -> None:
        """Open nothing more; pushes in flight may end, and the ledger has so long to answer."""
        self._give_up_at = min(self._give_up_at, time.monotonic() + grace_s)
        self._stopping.set()
        self._news.set()

    def lose(self) -> None:
        """Take notice that the lease has gone to another worker: start nothing, write nothing."""
        self._lost = True
        self.stop()

    async def run(self) -> None:
        """Work until nothing of the batch is pending, the campaign stops, or this process does."""
        try:
            while not self._stopping.is_set():
                opened = await self._next()
                if isinstance(opened, Closed):
                    self.why = opened.why
                    break
                if isinstance(opened, Drained) and not await self._more_came_back():
                    break
            await self._ended()
        except LeaseLost:
            self._lost = True
        if self._lost:
            self.why = "lease lost"
            return
        await self._repeat(lambda: self._work.release(self.lease))

    async def cut_short(self) -> None:
        """End what is still in flight when the grace is over: it may have been sent, so it is in doubt."""
        for task in list(self._in_flight):
            task.cancel()
        await self._ended()

    async def _next(self) -> Opened:
        """Open the next block, when it is this batch's turn, and set its messages going."""
        async with self._turnstile:
            if self._stopping.is_set():
                return Closed("stopping")
            room = await self._capacity.take(BLOCK)
            opened: Opened = Closed("stopping")
            try:
                operation, asked_at = new_operation(), time.monotonic()
                opened = await self._repeat(lambda: self._work.open_block(self.lease, most=room, operation=operation))
            finally:
                self._capacity.give_back(room - len(opened.messages) if isinstance(opened, Block) else room)
            if isinstance(opened, Block):
                self._start(opened, asked_at)
            elif isinstance(opened, Wait) and opened.why != "campaign limit":
                await self._sleep(opened.seconds)
        if isinstance(opened, Wait) and opened.why == "campaign limit":
            await self._sleep(opened.seconds)
        return opened

    def _start(self, block: Block, asked_at: float) -> None:
        start_by = asked_at + _START_WITHIN_S
        if block.interval_s == 0:
            for place, attempt in block.messages:
                self._launch(place, attempt, block.number, start_by)
        else:
            self._keep(self._start_in_time(block, start_by))

    async def _start_in_time(self, block: Block, start_by: float) -> None:
        """Let each message go at its slot, so that the provider sees the rate and not the blocks."""
        at = time.monotonic() + block.starts_in_s
        parts = self.lease.recipients.parts
        for place, attempt in block.messages:
            if (ahead := at - time.monotonic()) > 0.001:
                await self._sleep(ahead)
            self._launch(place, attempt, block.number, start_by)
            at += block.interval_s * (parts[place] if self._plan.cost_unit == "parts" else 1)

    def _launch(self, place: int, attempt: int, block: int, start_by: float) -> None:
        if self._stopping.is_set() or time.monotonic() >= min(self.lease_deadline, start_by):
            # Never begun. If the lease is still ours this gives it back; if it is not, the ledger does not listen.
            self._done(Pushed(place, block, None, 0))
            return
        self._keep(self._push(place, attempt, block))

    def _keep(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _push(self, place: int, attempt: int, block: int) -> None:
        plan, recipients = self._plan, self.lease.recipients
        text = self._template.render([column[place] for column in recipients.slots])
        measured = measure(text)
        outcome = _IN_DOUBT
        try:
            outcome = await self._client.push(
                Push(
                    to=recipients.to[place],
                    text=text,
                    sender=plan.sender,
                    content_id=plan.content_id,
                    correlation_id=self._ids.make(self.lease.ref.campaign, recipients.first + place, attempt),
                    unicode=measured.unicode,
                )
            )
        finally:
            self._done(Pushed(place, block, outcome, measured.parts))

    def _done(self, pushed: Pushed) -> None:
        self._capacity.give_back(1)
        self.verdicts[pushed.outcome.verdict.value if pushed.outcome else "never_begun"] += 1
        self._pushed.append(pushed)
        if self._recorder is None:
            self._recorder = asyncio.create_task(self._record())
        if len(self._pushed) >= _GROUP:
            self._news.set()

    async def _record(self) -> None:
        """Write outcomes in groups, as long as there are any; one writer per batch."""
        try:
            while self._pushed:
                if len(self._pushed) < _GROUP and not self._stopping.is_set():
                    self._news.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), _GROUP_WAIT_S)
                group, self._pushed = self._pushed, []
                await self._write(group)
        except LeaseLost:
            self.lose()
        finally:
            self._recorder = None
            self._wrote.set()

    async def _write(self, group: list[Pushed]) -> None:
        results = [result(pushed) for pushed in group]
        meaning = consequence(group)
        if any(item.outcome and item.outcome.scope is BrakeScope.PROVIDER for item in group):
            await self._repeat(lambda: self._on_provider_brake(meaning.reason))
        await self._repeat(
            lambda: self._work.record(self.lease, results, meaning, part_disagreements=part_disagreements(group))
        )
        if any(item.verdict in b"pb" for item in results):
            self._returned = True
        self._wrote.set()

    async def _more_came_back(self) -> bool:
        """Wait until what is in flight has ended, or something of it is pending again; say whether it is."""
        await self._on_drained()
        while not self._returned and not self._stopping.is_set() and (self._in_flight or self._recorder):
            self._wrote.clear()
            await self._wrote.wait()
        returned, self._returned = self._returned, False
        return returned

    async def _ended(self) -> None:
        """Wait until nothing is in flight and all is written."""
        while (self._in_flight or self._recorder) and not self._lost:
            self._wrote.clear()
            await self._wrote.wait()

    async def _repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call the ledger until it answers; give up when the lease is not ours any more."""
        while True:
            try:
                return await call()
            except RedisError as error:
                log.warning("ledger away", error=type(error).__name__, batch=self.lease.ref.number)
                if self._lost or time.monotonic() >= self._give_up_at:
                    raise LeaseLost(self.lease.ref) from error
                await asyncio.sleep(_RETRY_S)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), min(seconds, _LONGEST_SLEEP_S))
