"""One batch at work: open a block, push its messages at their times, record what came of them; until nothing is left.

Nothing here waits for the slowest push: blocks are opened while earlier ones are still in flight, and outcomes are
written in small groups as they come.
"""

import asyncio
import contextlib
import math
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping

from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.leases import BatchClosed, BatchLeases, Block, Drained, Lease, Opened, Wait, new_operation
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.protocol import WaitReason
from times_dispatch.provider.client import Client
from times_dispatch.provider.failures import TOO_LATE, Failure
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.provider.outcomes import Outcome, Verdict
from workers.batch.capacity import Capacity
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.push_queue import PushQueue, QueuedPush
from workers.batch.recorder import Pushed, Recorder
from workers.batch.renderer import MessageRenderer
from workers.batch.suppression_check import OptOutCache, SuppressionCheck

BLOCK = 200
"""The most messages of one block, where no limit makes it smaller."""
_LONGEST_SLEEP_S = 0.5
"""A longer wait is asked about again: a new rate, and the end of a back-off, act within a second."""
_RENEWAL_S = 0.1
_START_WITHIN_S = 0.75
"""A message whose push has not begun so long after its block was asked for goes back: a pause may have come since."""
_OPENED_WITHIN_S = 0.1
"""A paced block goes back as well if it took the ledger so long to open it and to say who may get it …"""
_MOST_LATE = 2
"""… but not for ever: a ledger that is always slow still gets something done."""
_WORDS = {verdict: verdict.value for verdict in Verdict}
_CUT_SHORT = Outcome(
    verdict=Verdict.IN_DOUBT, code=Failure.WORKER_LOST.value, reason="the push was cut short by a stop"
)


class Batch:
    """A leased batch on its way through this process."""

    def __init__(
        self,
        lease: Lease,
        plan: Plan,
        *,
        work: BatchLeases,
        clients: Mapping[str, Client],
        ids: CorrelationIds,
        capacity: Capacity,
        pushers: PushQueue,
        turnstile: asyncio.Lock,
        screen: OptOutCache,
        lease_deadline: float,
        on_drained: Callable[[], Awaitable[None]],
        on_provider_brake: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self.lease = lease
        self.lease_deadline = lease_deadline
        """On this process' monotonic clock: from then on no push of this batch may start."""
        self.verdicts: Counter[str] = Counter()
        self.why = "done"
        self._plan = plan
        self._messages = MessageRenderer(lease, plan, ids)
        self._work = work
        self._clients = [clients.get(nickname) for nickname in plan.chain]
        self._on_provider_brake = on_provider_brake
        self._capacity = capacity
        self._pushers = pushers
        self._turnstile = turnstile
        self._on_drained = on_drained
        self._stopping = asyncio.Event()
        self._lost = False
        self._returned = False
        self._surprise: BaseException | None = None
        self._beside: set[asyncio.Task[None]] = set()
        """Tasks that start pushes at their slots, and that of the recorder."""
        self._unsettled = 0
        """Messages that were opened, and whose push has not ended."""
        self._late = 0
        """Blocks in a row of which the ledger was late."""
        self._moved = asyncio.Event()
        self._patience = LedgerRetry(lease.ref)
        self._gate = SuppressionCheck(lease, plan, screen=screen, patience=self._patience, messages=self._messages)
        self._recorder = Recorder(
            lease,
            work=work,
            chain=plan.chain,
            patience=self._patience,
            keep=self._keep,
            on_provider_brake=on_provider_brake,
            before=self._gate.take_back,
            on_returned=self._take_back,
            on_lost=self.lose,
        )

    def stop(self, *, grace_s: float = 0.0) -> None:
        """Open nothing more; pushes in flight may end, and the ledger has so long to answer."""
        self._patience.end(within_s=grace_s)
        self._stopping.set()
        self._recorder.hurry()
        self._moved.set()

    def lose(self) -> None:
        """Take notice that the lease has gone to another worker: start nothing, write nothing."""
        self._lost = True
        self._recorder.lose()
        self.stop()

    async def run(self) -> None:
        """Work until nothing of the batch is pending, the campaign stops, or this process does.

        Raises whatever nobody foresaw, once all that was begun has ended; the lease is then left to run out.
        """
        try:
            await self._work_through()
        except LeaseLost:
            self.lose()
        except Exception as surprise:  # noqa: BLE001  # raised below
            self._fail(surprise)
        await self._until(lambda: False)
        if self._surprise:
            raise self._surprise
        try:
            if not self._lost:
                await self._patience.call(lambda: self._work.release(self.lease))
        except LeaseLost:
            self._lost = True
        if self._lost:
            self.why = "lease lost"

    async def _work_through(self) -> None:
        while not self._stopping.is_set():
            opened = await self._next()
            if isinstance(opened, BatchClosed):
                self.why = opened.reason
                return
            if isinstance(opened, Drained) and not await self._more_came_back():
                return
        self.why = "stopping"

    async def _next(self) -> Opened:
        """Open the next block, when it is this batch's turn, and set its messages going."""
        async with self._turnstile:
            room = await self._capacity.take(BLOCK, ahead=self._pushers.ahead())
            opened: Opened = BatchClosed("stopping")
            try:
                self._returned = False  # what is pending by now is seen by this opening
                asked_at = time.monotonic()
                opened = await self._open(room)
                opened_at = time.monotonic()
            finally:
                self._capacity.give_back(room - len(opened.messages) if isinstance(opened, Block) else room)
            if isinstance(opened, Block):
                self._unsettled += len(opened.messages)
            elif isinstance(opened, Wait) and opened.reason != WaitReason.CAMPAIGN_LIMIT:
                await self._sleep(opened.seconds)
        if isinstance(opened, Block) and not self._clients[opened.chain_index]:
            await self._do_without(opened)
        elif isinstance(opened, Block):
            block = await self._let_through(opened, asked_at)
            paced_from = time.monotonic() if self._late else opened_at
            self._start(block, opened_at=paced_from, start_by=asked_at + _START_WITHIN_S)
        elif isinstance(opened, Wait) and opened.reason == WaitReason.CAMPAIGN_LIMIT:
            await self._sleep(opened.seconds)
        return opened

    async def _do_without(self, block: Block) -> None:
        """Give back a block for a provider that this process does not know, so that the next one takes over."""
        nickname = self._plan.chain[block.chain_index]
        try:
            await self._patience.call(lambda: self._on_provider_brake(nickname, "it is not in the worker's settings"))
        finally:
            self._give_back(block)

    async def _open(self, most: int) -> Opened:
        if self._stopping.is_set() or most == 0:
            return BatchClosed("stopping")
        if time.monotonic() >= self.lease_deadline:
            # Nothing of a block could be begun: the next renewal says whether the batch is still ours.
            return Wait(_RENEWAL_S, "renewal")
        operation = new_operation()
        return await self._patience.call(
            lambda: self._work.open_block(self.lease, max_messages=most, operation=operation)
        )

    async def _let_through(self, block: Block, asked_at: float) -> Block:
        """Note which messages of a block must not be pushed, and return it without them.

        If the ledger does not say, none is pushed. If it opened the block or said it late, none either: all slots may
        have passed, and what was held up would arrive in a bunch.
        """
        try:
            reasons = await self._gate.reasons(block)
        except BaseException:
            self._give_back(block)
            raise
        late = bool(block.interval_s) and time.monotonic() - asked_at > max(_OPENED_WITHIN_S, block.interval_s)
        self._late = self._late + 1 if late else 0
        if 0 < self._late <= _MOST_LATE:
            self._give_back(block)
            return block._replace(messages=[])
        if not any(reasons):
            return block
        going = []
        for message, reason in zip(block.messages, reasons, strict=True):
            if reason:
                self._done(Pushed(message[0], block.number, None, 0, block.chain_index, reason))
            else:
                going.append(message)
        return block._replace(messages=going)

    def _give_back(self, block: Block) -> None:
        for place, _ in block.messages:
            self._done(Pushed(place, block.number, None, 0, block.chain_index))

    def _start(self, block: Block, *, opened_at: float, start_by: float) -> None:
        if block.interval_s == 0:
            for place, attempt in block.messages:
                self._launch(QueuedPush(self, place, attempt, block.number, block.chain_index, start_by), due=False)
        else:
            self._keep(self._start_in_time(block, opened_at, start_by))

    async def _start_in_time(self, block: Block, opened_at: float, start_by: float) -> None:
        """Let each message go at its slot, so that the provider sees the rate and not the blocks."""
        at = opened_at + block.starts_in_s
        parts = self.lease.recipients.parts
        waiting = deque(block.messages)
        try:
            while waiting:
                if (ahead := at - time.monotonic()) > 0.001:
                    await self._sleep(ahead)
                place, attempt = waiting.popleft()
                self._launch(QueuedPush(self, place, attempt, block.number, block.chain_index, start_by), due=True)
                at += block.interval_s * (parts[place] if self._plan.cost_unit == "parts" else 1)
        finally:
            for place, _ in waiting:
                self._done(Pushed(place, block.number, None, 0, block.chain_index))

    def _launch(self, turn: QueuedPush, *, due: bool) -> None:
        if self._may_begin(turn.start_by):
            self._pushers.add(turn, due=due)
        else:
            self.give_up(turn)

    async def push(self, turn: QueuedPush) -> None:
        """Push one message, if its time is not over, and note what came of it."""
        outcome: Outcome | None = None
        parts = 0
        try:
            push, parts = self._messages.push(turn.place, turn.attempt)
            client = self._clients[turn.provider]
            if client and self._may_begin(turn.start_by):
                outcome = _CUT_SHORT
                outcome = await client.push(push, may_begin=lambda: self._may_begin(turn.start_by))
                outcome = None if outcome is TOO_LATE else outcome
        except Exception as surprise:  # noqa: BLE001  # raised by run
            self._fail(surprise)
        finally:
            self._done(Pushed(turn.place, turn.block, outcome, parts, turn.provider))

    def give_up(self, turn: QueuedPush) -> None:
        """Give back a message whose push was never begun."""
        # If the lease is still ours this gives it back; if it is not, the ledger does not listen.
        self._done(Pushed(turn.place, turn.block, None, 0, turn.provider))

    def _may_begin(self, start_by: float) -> bool:
        return not self._stopping.is_set() and time.monotonic() < min(self.lease_deadline, start_by)

    def _keep(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._beside.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._beside.discard(task)
        if not task.cancelled() and (surprise := task.exception()):
            self._fail(surprise)
        self._moved.set()

    def _fail(self, surprise: BaseException) -> None:
        """Begin nothing more: what nobody foresaw would meet the next message as well."""
        self._surprise = self._surprise or surprise
        self.stop(grace_s=math.inf)
        self._recorder.go_on()

    def _done(self, pushed: Pushed) -> None:
        self._capacity.give_back(1)
        self._messages.forget(pushed.place)
        never_begun = "suppressed" if pushed.suppressed else "never_begun"
        self.verdicts[_WORDS[pushed.outcome.verdict] if pushed.outcome else never_begun] += 1
        self._recorder.add(pushed)
        self._unsettled -= 1
        if not self._unsettled:
            self._moved.set()

    def _take_back(self) -> None:
        self._returned = True
        self._moved.set()

    async def _more_came_back(self) -> bool:
        """Wait until what is in flight has ended, or something of it is pending again; say whether it is."""
        await self._on_drained()
        await self._until(lambda: self._returned or self._stopping.is_set())
        return self._returned

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Wait until something is reached, or nothing is in flight and all is written."""
        while (self._unsettled or self._beside) and not reached():
            self._moved.clear()
            await self._moved.wait()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, _LONGEST_SLEEP_S)):
                await self._stopping.wait()
