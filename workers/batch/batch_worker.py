"""The work on a leased batch, from its first block to its release; ``workers.batch`` lists the steps of a message.

Blocks are opened while pushes of earlier blocks are still in flight, so that a slow push delays no other push.
"""

import asyncio
import math
from collections.abc import Mapping
from typing import NamedTuple

from times_dispatch.ledger.errors import LEDGER_ERRORS, BatchWritesEnded
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.openings import (
    AHEAD_S,
    TOLERANCE_S,
    BatchClosed,
    Block,
    Drained,
    Opened,
    Outside,
    Wait,
    new_operation,
)
from times_dispatch.ledger.protocol import CloseReason, WaitReason
from times_dispatch.ledger.states import Suppression
from workers.batch.batch_run import BatchEnd, BatchRun, OwnWaitReason, WorkEnd, end_of_closed, end_of_writes
from workers.batch.context import OpeningLock, WorkerContext
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.message_result import never_begun
from workers.batch.pacing import Pacer
from workers.batch.pusher import Pusher
from workers.batch.recorder import Recorder
from workers.batch.renderer import MessageRenderer
from workers.batch.suppression_check import SuppressionCheck

MAX_BLOCK = 200
"""The maximum number of messages in a block."""
_MIN_BLOCK = 10
"""The maximum number of messages in a block while the ledger is very slow."""


class _PushableBlock(NamedTuple):
    block: Block
    asked_at: float
    """When the ledger was last asked whether the block may be pushed, on the monotonic clock."""
    opened_at: float
    """The moment on the monotonic clock from which the block's send times count."""


class BatchWorker:
    """Works on one batch: opens its blocks, and makes the objects that pace, push and record the messages."""

    def __init__(
        self, lease: Lease, plan: Plan, context: WorkerContext, *, opening_lock: OpeningLock, lease_deadline: float
    ) -> None:
        """Make the worker of a batch; nothing happens before ``work``.

        Args:
            lease: the lease of the batch, with the recipients.
            plan: the plan of the campaign.
            context: the services that all batches of the process share.
            opening_lock: shared with the other batches of the sender that go through the same chain of providers.
            lease_deadline: the moment on the monotonic clock from which no push may start, until a renewal moves it.
        """
        clock, timings = context.clock, context.timings
        self._spacing = context.spacings.get(lease.ref, plan)
        self.lease = lease
        self._run = BatchRun(lease_deadline=lease_deadline, clock=clock)
        self._plan = plan
        self._context = context
        self._opening_lock = opening_lock
        self._last_block = 0
        """The number of the last block that the ledger gave to this batch; 0 if none."""
        self._in_hand: Block | None = None
        """The block that was opened last, until its messages are passed to the pacer or returned unsent."""
        self._tried = ""
        """The lost provider that a message of this batch tries (``ProviderReach``); empty for none."""
        self._end: WorkEnd = BatchEnd.DONE
        self._clients = [context.clients.get(nickname) for nickname in plan.chain]
        self._ledger_retry = LedgerRetry(
            lease.ref, self._run, max_wait_s=timings.ledger_retry_s, clock=clock, rng=context.rng
        )
        renderer = MessageRenderer(lease, plan, context.ids, context.link_keys.filler(plan))
        self._check = SuppressionCheck(
            lease,
            plan,
            limit=context.frequency_limit(header_of(plan.sender)),
            cache=context.opt_out_cache,
            ledger_retry=self._ledger_retry,
            renderer=renderer,
        )
        self._recorder = Recorder(
            lease,
            plan.chain,
            context=context,
            run=self._run,
            ledger_retry=self._ledger_retry,
            check=self._check,
            share=opening_lock.share,
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
            spacing=self._spacing,
            max_sleep_s=timings.max_sleep_s,
            clock=clock,
        )

    def stop(self, *, grace_s: float = 0.0) -> None:
        """Open nothing more; pushes in flight may end, and the ledger has *grace_s* seconds to take the results."""
        self._run.stop(grace_s=grace_s)

    def on_lease_lost(self) -> None:
        """Begin nothing more and write nothing more: the ledger does not renew the lease."""
        self._run.forbid_writes(BatchEnd.LEASE_LOST)

    def on_lease_renewed(self, *, lease_deadline: float) -> None:
        """Let pushes start until the new deadline, on the monotonic clock."""
        self._run.lease_deadline = lease_deadline

    @property
    def may_write(self) -> bool:
        """Whether this worker may write to the ledger for the batch."""
        return self._run.may_write

    @property
    def counts(self) -> Mapping[str, int]:
        """How many results there are so far, by their label in the log."""
        return self._recorder.counts

    async def work(self) -> WorkEnd:
        """Work until no message of the batch is pending, the campaign stops, or this process stops; return the reason.

        An unexpected error is raised after every push that was begun has ended; the lease is then left to run out.
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
            if self._run.may_write:
                await self._ledger_retry.call(lambda: self._context.leases.release(self.lease))
        except BatchWritesEnded as error:
            self._run.forbid_writes(end_of_writes(error))
        return self._run.write_forbidden_by or self._end

    async def _open_blocks(self) -> None:
        try:
            await self._check.prepare()
            while not self._run.stopping.is_set():
                opened = await self._open_next()
                if self._tried:
                    await self._end_try_after(opened)
                if isinstance(opened, BatchClosed):
                    self._end = end_of_closed(opened)
                    if opened.reason == CloseReason.TURN_OVER:  # the next campaign need not wait for pushes in flight
                        await self._context.issue_batches(self.lease.ref.sender)
                    return
                if isinstance(opened, Drained):
                    await self._context.issue_batches(self.lease.ref.sender)
                    if not await self._wait_for_pending_messages():
                        return
            self._end = BatchEnd.STOPPING
        except BatchWritesEnded as error:
            self._run.forbid_writes(end_of_writes(error))
        finally:
            if self._in_hand:  # an error or a cancellation; the batch waits for the results of these messages
                self._return_unsent(self._in_hand)
            self._context.capacity.lack_none(self._opening_lock.share)
            self._end_try()

    async def _end_try_after(self, opened: Opened) -> None:
        """Wait for the result of the message by which a provider is tried; without a message, end the try at once."""
        if isinstance(opened, Block) and self._plan.chain[opened.chain_index] == self._tried:
            await self._run.wait_while(lambda: not self._recorder.is_idle)
        self._end_try()

    def _end_try(self) -> None:
        if self._tried:
            self._context.reach.end_try(self._tried)
            self._tried = ""

    async def _open_next(self) -> Opened:
        """Open the next block, and pass its messages to the pacer; wait if the ledger says so."""
        async with self._opening_lock.lock:
            expected_s = self._opening_lock.expected_s
            asked_at, opened = await self._open_with_capacity()
            opened_at = replied_at = self._context.clock.monotonic()
            self._opening_lock.note_opening(replied_at - asked_at)
            if isinstance(opened, Block):
                opened_at = self._context.reply_clock.moment(opened.ledger_s, asked_at=asked_at, replied_at=replied_at)
                self._opening_lock.note_delay(replied_at - opened_at)
            if isinstance(opened, Wait) and opened.reason != WaitReason.CAMPAIGN_LIMIT:
                await self._sleep(opened.seconds)  # with the lock: other batches of the sender have to wait too
        if isinstance(opened, Wait) and opened.reason == WaitReason.CAMPAIGN_LIMIT:
            await self._sleep(opened.seconds)  # without the lock: the limit holds for this campaign only
        if isinstance(opened, Block) and not self._clients[opened.chain_index]:
            await self._brake_unknown_provider(opened)
        elif isinstance(opened, Block):
            await self._enqueue(opened, asked_at=asked_at, opened_at=opened_at, expected_s=expected_s)
        elif isinstance(opened, Outside):
            self._check.start_stretch_at(opened.first_pending)
        return opened

    async def _open_with_capacity(self) -> tuple[float, Opened]:
        """Wait for permits, and open a block of at most as many messages; return the time of the call and the reply."""
        context = self._context
        permits = await context.capacity.take(
            self._max_block(),
            share=self._opening_lock.share,
            lookahead=context.push_queue.lookahead(),
            is_urgent=self._plan.urgent,
        )
        opened: Opened = BatchClosed(BatchEnd.STOPPING)
        asked_at = context.clock.monotonic()
        try:
            # The call opens also the messages that became pending again before the call.
            self._recorder.has_pending_again = False
            opened = await self._open(permits, asked_at)
        finally:
            taken = len(opened.messages) if isinstance(opened, Block) else 0
            context.capacity.return_unused(permits - taken, share=self._opening_lock.share, is_urgent=self._plan.urgent)
            self._recorder.expect_results(taken)
            self._in_hand = opened if isinstance(opened, Block) else None
        if isinstance(opened, Block):
            self._check.opened(opened)
            self._spacing.interval_s, self._spacing.delay_s = opened.interval_s, opened.delay_s
            self._recorder.count_suppressed(opened.suppressed)
        return asked_at, opened

    def _max_block(self) -> int:
        """Return how many messages the next block may have.

        A late block leaves less time for its pushes, so the block after a late block is smaller. No block has more
        messages than the rate allows in the time for which the ledger gives out send times: while the ledger is asked,
        this batch keeps a permit for each message, and other senders can use only the other permits.
        """
        timings, took_s = self._context.timings, self._opening_lock.took_s
        max_messages = MAX_BLOCK
        if took_s > timings.late_after_s:
            left = 1 - took_s / (timings.start_within_s + timings.confirm_after_s)
            max_messages = max(_MIN_BLOCK, int(MAX_BLOCK * left))
        if interval_s := self._spacing.interval_s:
            max_messages = min(max_messages, 1 + math.ceil((self._ahead_s() + TOLERANCE_S) / interval_s))
        return max_messages

    def _ahead_s(self) -> float:
        """Return how many seconds ahead of its clock the ledger may give out send times.

        The messages of a block must suffice until the next block arrives, so the block's send times reach as far ahead
        as a round trip to the ledger lasts. But all workers push later than the send times while the ledger is slow
        (``Block.delay_s``), and each push must start within ``start_within_s``: the send times end early enough.
        """
        timings, took_s = self._context.timings, self._opening_lock.expected_s
        begins_s = took_s + max(0.0, self._spacing.delay_s - self._opening_lock.delay_s)
        longer_s = TOLERANCE_S + self._spacing.interval_s  # how much longer the block lasts than its send times reach
        return max(AHEAD_S, min(took_s, timings.start_within_s - begins_s - longer_s - timings.spare_start_s))

    async def _open(self, max_messages: int, now: float) -> Opened:
        if self._run.stopping.is_set() or max_messages == 0:
            return BatchClosed(BatchEnd.STOPPING)
        if now >= self._run.lease_deadline:
            # No push of a block could start. The next renewal says whether this worker still holds the lease.
            return Wait(self._context.timings.renewal_wait_s, OwnWaitReason.LEASE_RENEWAL)
        limits = self._context.reach.limits_of(self._plan.chain)
        if len(limits.lost) == len(self._plan.chain):
            return BatchClosed(BatchEnd.PROVIDER_LOST)
        self._tried = limits.tried
        operation, stretch, ahead_s = new_operation(), self._check.stretch(max_messages), self._ahead_s()
        delay_s = self._opening_lock.delay_s

        async def open_block() -> Opened:
            try:
                return await self._context.leases.open_block(
                    self.lease,
                    max_messages=max_messages,
                    operation=operation,
                    ahead_s=ahead_s,
                    delay_s=delay_s,
                    check=stretch,
                    last_block=self._last_block,
                    lost=limits.lost,
                    tried=limits.tried,
                )
            except LEDGER_ERRORS:  # no permit is reserved for a sender whose Redis cannot be reached
                self._context.capacity.lack_none(self._opening_lock.share)
                raise

        opened = await self._ledger_retry.call(open_block)
        if isinstance(opened, Block):
            self._last_block = opened.number
        return opened

    async def _brake_unknown_provider(self, block: Block) -> None:
        """Brake a provider that this process does not know, and return the block, so that the next provider is used."""
        sender, nickname = self.lease.ref.sender, self._plan.chain[block.chain_index]
        reason = "it is not in the worker's settings"
        await self._ledger_retry.call(lambda: self._context.brake_provider(sender, nickname, reason))
        self._return_unsent(block)

    async def _enqueue(self, block: Block, *, asked_at: float, opened_at: float, expected_s: float) -> None:
        """Pass the messages of a block to the pacer, except those whose recipients opted out."""
        if opted_out := await self._check.opted_out(block):
            block = self._in_hand = self._without_opted_out(opted_out, block)
        confirmed = await self._confirm_late(block, asked_at=asked_at, opened_at=opened_at, expected_s=expected_s)
        if confirmed is None:
            self._return_unsent(block)
            return
        block, start_by = confirmed.block, confirmed.asked_at + self._context.timings.start_within_s
        latest_at = start_by - self._lasts_s(block) - self._context.timings.spare_start_s / 2
        opened_at = min(confirmed.opened_at, max(self._context.clock.monotonic(), latest_at))
        self._in_hand = None
        self._pacer.enqueue_block(block, opened_at=opened_at, start_by=start_by)

    def _lasts_s(self, block: Block) -> float:
        """Return how many seconds the pushes of a block last, counted from the moment at which its send times begin."""
        return max(0.0, block.starts_in_s) + self._pacer.cost(block) * block.interval_s

    async def _confirm_late(
        self, block: Block, *, asked_at: float, opened_at: float, expected_s: float
    ) -> _PushableBlock | None:
        """Return the block with the send times at which it may be pushed; None if the block may not be pushed.

        A block that was opened in time needs no confirmation. A late block is confirmed (``confirm_block``) until a
        reply comes in time; the reply gives the block new send times if its old send times have passed.
        """
        timings, clock = self._context.timings, self._context.clock
        late_after_s = max(timings.late_after_s, block.interval_s) if block.interval_s else math.inf
        in_time_s = min(timings.confirm_after_s, late_after_s)
        took_s = clock.monotonic() - asked_at
        if late_after_s < took_s <= self._max_unconfirmed_s(block, late_after_s, expected_s):
            block = block._replace(starts_in_s=max(0.0, block.starts_in_s))
            return _PushableBlock(block, asked_at, max(clock.monotonic(), opened_at + block.delay_s))
        while (took_s := clock.monotonic() - asked_at) > in_time_s:
            if self._run.stopping.is_set():
                return None
            delay_s = clock.monotonic() - opened_at
            asked_at, units = clock.monotonic(), self._pacer.cost(block) if took_s > late_after_s else 0
            confirmed = await self._confirm(block, units, delay_s)
            if confirmed is None:
                return None
            if units:
                block = confirmed
                opened_at = self._context.reply_clock.moment(
                    block.ledger_s, asked_at=asked_at, replied_at=clock.monotonic()
                )
            in_time_s = timings.start_within_s - timings.min_start_s
        return _PushableBlock(block, asked_at, opened_at + block.delay_s)

    def _max_unconfirmed_s(self, block: Block, late_after_s: float, expected_s: float) -> float:
        """Return how many seconds the opening of a block may take if the block is pushed without a confirmation.

        The send times of such a block count from its arrival. *expected_s* is how many seconds the opening should have
        taken. A block whose opening took that long follows the last block at its rate, if its pushes can start in time.
        """
        timings = self._context.timings
        return min(late_after_s + expected_s, timings.start_within_s - self._lasts_s(block) - timings.spare_start_s / 2)

    async def _confirm(self, block: Block, units: int, delay_s: float) -> Block | None:
        leases, provider = self._context.leases, self._plan.chain[block.chain_index]
        return await self._ledger_retry.call(
            lambda: leases.confirm_block(self.lease, block, provider=provider, units=units, delay_s=delay_s)
        )

    def _without_opted_out(self, opted_out: Mapping[int, Suppression], block: Block) -> Block:
        """Return a block without its messages to recipients that opted out or are dead; record these as suppressed."""
        to_push = []
        for index, attempt in block.messages:
            if index in opted_out:
                result = never_begun(index, block.number, block.chain_index)
                self._recorder.add(result._replace(suppressed=opted_out[index]))
            else:
                to_push.append((index, attempt))
        return block._replace(messages=to_push)

    def _return_unsent(self, block: Block) -> None:
        self._in_hand = None
        for index, _ in block.messages:
            self._recorder.add(never_begun(index, block.number, block.chain_index))

    async def _wait_for_pending_messages(self) -> bool:
        """Wait until a message is pending again, or every result is written; return whether a message is pending."""
        recorder, stopping = self._recorder, self._run.stopping
        await self._run.wait_while(lambda: not (recorder.is_idle or recorder.has_pending_again or stopping.is_set()))
        return recorder.has_pending_again

    async def _sleep(self, seconds: float) -> None:
        await self._context.clock.wait(self._run.stopping, min(seconds, self._context.timings.max_sleep_s))
