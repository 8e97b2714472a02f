"""A leased batch from its first block to its release; ``workers.batch`` says where a message goes from here.

Nothing here waits for the slowest push: blocks are opened while pushes of earlier blocks are still in flight.
"""

import asyncio
from collections.abc import Mapping

from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.openings import AHEAD_S, BatchClosed, Block, Drained, Opened, Outside, Wait, new_operation
from times_dispatch.ledger.protocol import CloseReason, WaitReason
from times_dispatch.ledger.states import Suppression
from workers.batch.batch_run import BatchRun
from workers.batch.context import SenderTurn, WorkerContext
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.message_result import MessageResult
from workers.batch.pacing import Pacer
from workers.batch.pusher import Pusher
from workers.batch.recorder import Recorder
from workers.batch.renderer import MessageRenderer
from workers.batch.suppression_check import SuppressionCheck

MAX_BLOCK = 200
"""The most messages of one block, where no limit makes it smaller."""
_MIN_BLOCK = 10
"""The most messages of one block of a ledger that is very slow."""


class Batch:
    """Opens the blocks of one batch, and holds the parts through which their messages go."""

    def __init__(
        self, lease: Lease, plan: Plan, context: WorkerContext, *, turn: SenderTurn, lease_deadline: float
    ) -> None:
        """Take on a batch; nothing happens before ``work``.

        Args:
            lease: the batch's, with its recipients.
            plan: the campaign's.
            context: what the batches of the process share.
            turn: shared with the other batches of the sender that go through the same chain of providers.
            lease_deadline: the moment on the monotonic clock from which no push may start, until a renewal moves it.
        """
        clock, timings = context.clock, context.timings
        self.lease = lease
        self._run = BatchRun(lease_deadline=lease_deadline, clock=clock)
        self._plan = plan
        self._context = context
        self._turn = turn
        self._last_block = 0
        """The number of the last block that the ledger gave to this batch; 0 if none."""
        self._end_reason = "done"
        self._clients = [context.clients.get(nickname) for nickname in plan.chain]
        self._ledger_retry = LedgerRetry(
            lease.ref, self._run, max_wait_s=timings.ledger_retry_s, clock=clock, rng=context.rng
        )
        renderer = MessageRenderer(lease, plan, context.ids)
        self._check = SuppressionCheck(
            lease, plan, cache=context.opt_out_cache, ledger_retry=self._ledger_retry, renderer=renderer
        )
        self._recorder = Recorder(
            lease,
            plan.chain,
            context=context,
            run=self._run,
            ledger_retry=self._ledger_retry,
            check=self._check,
            is_urgent=plan.urgent,
        )
        self._pacer = Pacer(
            plan,
            lease.recipients.parts,
            handler=Pusher(
                self._clients, renderer=renderer, recorder=self._recorder, run=self._run, is_urgent=plan.urgent
            ),
            push_queue=context.push_queue,
            run=self._run,
            spacing=context.spacings.get(lease.ref, plan),
            max_sleep_s=timings.max_sleep_s,
            clock=clock,
        )

    def stop(self, *, grace_s: float = 0.0) -> None:
        """Open nothing more; pushes in flight may end, and the ledger has *grace_s* seconds to take the results."""
        self._run.stop(grace_s=grace_s)

    def lose(self) -> None:
        """Begin nothing more and write nothing more: the lease has gone to another worker."""
        self._run.lose()

    def renewed(self, *, lease_deadline: float) -> None:
        """Take notice that the lease was renewed; pushes may start until the deadline, on the monotonic clock."""
        self._run.lease_deadline = lease_deadline

    @property
    def is_lost(self) -> bool:
        """Whether the lease has gone to another worker."""
        return self._run.is_lost

    @property
    def counts(self) -> Mapping[str, int]:
        """How many results of which kind there are so far, by the words of the log."""
        return self._recorder.counts

    async def work(self) -> str:
        """Work until nothing of the batch is pending, the campaign stops, or this process does; return which of them.

        An unexpected error is raised once every push that was begun has ended; the lease is then left to run out.
        """
        self._run.start_task(self._open_blocks())
        try:
            await self._run.wait_while(lambda: self._run.has_tasks or not self._recorder.is_idle)
        except asyncio.CancelledError:
            await self._run.cancel_tasks()
            raise
        if self._run.unexpected:
            raise self._run.unexpected
        try:
            if not self._run.is_lost:
                await self._ledger_retry.call(lambda: self._context.leases.release(self.lease))
        except LeaseLost:
            return "lease lost"
        return "lease lost" if self._run.is_lost else self._end_reason

    async def _open_blocks(self) -> None:
        try:
            await self._check.prepare()
            while not self._run.stopping.is_set():
                opened = await self._open_next()
                if isinstance(opened, BatchClosed):
                    self._end_reason = opened.reason
                    if opened.reason == CloseReason.TURN_OVER:  # the next campaign need not wait for pushes in flight
                        await self._context.issue_batches(self.lease.ref.sender)
                    return
                if isinstance(opened, Drained) and not await self._have_messages_returned():
                    return
            self._end_reason = "stopping"
        except LeaseLost:
            self._run.lose()

    async def _open_next(self) -> Opened:
        """Open the next block when it is this batch's turn, and send its messages on their way."""
        async with self._turn.lock:
            asked_at, opened = await self._open_with_capacity()
            opened_at = self._context.clock.monotonic()
            self._turn.opening_took_s = opened_at - asked_at
            if isinstance(opened, Wait) and opened.reason != WaitReason.CAMPAIGN_LIMIT:
                await self._sleep(opened.seconds)  # with the lock: any batch that asked next would have to wait as well
        if isinstance(opened, Wait) and opened.reason == WaitReason.CAMPAIGN_LIMIT:
            await self._sleep(opened.seconds)  # without the lock: the limit is this campaign's own
        if isinstance(opened, Block) and not self._clients[opened.chain_index]:
            await self._pass_over_provider(opened)
        elif isinstance(opened, Block):
            await self._start(opened, asked_at=asked_at, opened_at=opened_at)
        elif isinstance(opened, Outside):
            self._check.begin_at(opened.first_pending)
        return opened

    async def _open_with_capacity(self) -> tuple[float, Opened]:
        """Wait for permits, then open as many messages; return when the ledger was asked, and its reply."""
        context = self._context
        permits = await context.capacity.take(
            self._max_block(), lookahead=context.push_queue.lookahead(), is_urgent=self._plan.urgent
        )
        opened: Opened = BatchClosed("stopping")
        asked_at = context.clock.monotonic()
        try:
            self._recorder.has_returned = False  # the ledger opens whatever is pending by now
            opened = await self._open(permits, asked_at)
        finally:
            taken = len(opened.messages) if isinstance(opened, Block) else 0
            context.capacity.give_back(permits - taken, is_urgent=self._plan.urgent)
            self._recorder.expect(taken)
        if isinstance(opened, Block):
            self._check.opened(opened)
            self._recorder.count_suppressed(opened.suppressed)
        return asked_at, opened

    def _max_block(self) -> int:
        """Return how many messages the next block may have: fewer when the last came late, for less time is left."""
        timings, took_s = self._context.timings, self._turn.opening_took_s
        if took_s <= timings.late_after_s:
            return MAX_BLOCK
        left = 1 - took_s / (timings.start_within_s + timings.confirm_after_s)
        return max(_MIN_BLOCK, int(MAX_BLOCK * left))

    def _ahead_s(self) -> float:
        """Return how far ahead of its clock the ledger shall give out slots.

        A block has to last until the next block arrives, so its slots last as long as a round trip to the ledger. But
        after such a round trip its pushes must still start in time.
        """
        timings, took_s = self._context.timings, self._turn.opening_took_s
        left_s = timings.start_within_s - took_s - timings.spare_start_s
        return max(AHEAD_S, min(took_s, left_s))

    async def _open(self, max_messages: int, now: float) -> Opened:
        if self._run.stopping.is_set() or max_messages == 0:
            return BatchClosed("stopping")
        if now >= self._run.lease_deadline:
            # No push of a block could start. The next renewal says whether the batch is still ours.
            return Wait(self._context.timings.renewal_wait_s, "renewal")
        operation, check, ahead_s = new_operation(), self._check.stretch(max_messages), self._ahead_s()
        opened = await self._ledger_retry.call(
            lambda: self._context.leases.open_block(
                self.lease,
                max_messages=max_messages,
                operation=operation,
                ahead_s=ahead_s,
                check=check,
                last_block=self._last_block,
            )
        )
        if isinstance(opened, Block):
            self._last_block = opened.number
        return opened

    async def _pass_over_provider(self, block: Block) -> None:
        """Give back a block for a provider that this process does not know, so that the next in the chain is used."""
        sender, nickname = self.lease.ref.sender, self._plan.chain[block.chain_index]
        reason = "it is not in the worker's settings"
        try:
            await self._ledger_retry.call(lambda: self._context.brake_provider(sender, nickname, reason))
        finally:
            self._give_back(block)

    async def _start(self, block: Block, *, asked_at: float, opened_at: float) -> None:
        """Send the messages of a block on their way, without those whose recipients opted out."""
        timings, clock = self._context.timings, self._context.clock
        try:
            opted_out = await self._check.opted_out(block)
            confirmed_at = await self._confirm_late(block, asked_at)
        except BaseException:
            self._give_back(block)
            raise
        if confirmed_at is None:
            self._give_back(block)
            return
        if opted_out:
            block = self._without(opted_out, block)
        started_at = clock.monotonic()
        is_late = started_at - asked_at > max(timings.late_after_s, block.interval_s)
        self._pacer.start(
            # The first slot of a late block has passed: its slots count from now.
            block._replace(starts_in_s=max(0.0, block.starts_in_s)) if is_late else block,
            opened_at=started_at if is_late else opened_at,
            start_by=confirmed_at + timings.start_within_s,
        )

    async def _confirm_late(self, block: Block, asked_at: float) -> float | None:
        """Return when the ledger was last asked whether the block may be pushed; None if it may not be.

        A block that came in time needs no second question. A late one is asked about until an answer comes in time.
        """
        timings, clock = self._context.timings, self._context.clock
        provider, in_time_s = self._plan.chain[block.chain_index], timings.confirm_after_s
        if block.interval_s and clock.monotonic() - asked_at > in_time_s:
            # The end of a late block is known: no second question is needed if the block ends in time.
            lasts_s = max(0.0, block.starts_in_s) + self._pacer.lasts_s(block)
            in_time_s = max(in_time_s, timings.start_within_s - lasts_s - timings.spare_start_s / 2)
        while clock.monotonic() - asked_at > in_time_s:
            if self._run.stopping.is_set():
                return None
            asked_at = clock.monotonic()
            if not await self._ledger_retry.call(
                lambda: self._context.leases.confirm_block(self.lease, block, provider=provider)
            ):
                return None
            in_time_s = timings.start_within_s - timings.min_start_s
        return asked_at

    def _without(self, opted_out: frozenset[int], block: Block) -> Block:
        """Return a block without the messages of recipients that opted out; the recorder gets those."""
        to_push = []
        for message in block.messages:
            if message[0] in opted_out:
                self._recorder.add(
                    MessageResult(message[0], block.number, None, 0, block.chain_index, Suppression.OPTED_OUT)
                )
            else:
                to_push.append(message)
        return block._replace(messages=to_push)

    def _give_back(self, block: Block) -> None:
        for index, _ in block.messages:
            self._recorder.add(MessageResult(index, block.number, None, 0, block.chain_index))

    async def _have_messages_returned(self) -> bool:
        """Wait until a message is pending again, or until every result is written; say whether one is pending."""
        recorder, stopping = self._recorder, self._run.stopping
        await self._context.issue_batches(self.lease.ref.sender)
        await self._run.wait_while(lambda: not (recorder.is_idle or recorder.has_returned or stopping.is_set()))
        return recorder.has_returned

    async def _sleep(self, seconds: float) -> None:
        await self._context.clock.wait(self._run.stopping, min(seconds, self._context.timings.max_sleep_s))
