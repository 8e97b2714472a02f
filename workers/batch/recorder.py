"""Writes the results of a batch into the ledger, in groups."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence

from times_dispatch.ledger.errors import BatchWritesEnded
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.protocol import BackOffPolicy, PushResult
from times_dispatch.ledger.push_results import Result
from times_dispatch.provider.outcomes import BrakeScope, Verdict
from workers.batch.batch_run import BatchRun, end_of_writes
from workers.batch.capacity import CapacityShare
from workers.batch.context import WorkerContext
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.message_result import (
    MessageResult,
    are_all_accepted,
    consequence_of,
    ledger_result,
    part_disagreements,
    widest_brake,
)
from workers.batch.suppression_check import SuppressionCheck

_WRITE_AT_ONCE = (Verdict.BRAKE, Verdict.THROTTLED)
"""A result with one of these verdicts is written at once: every message that is opened before the ledger knows the
result would get the same response. The verdicts are a tuple, because hashing an enum member is slow."""
_PENDING_AGAIN = (PushResult.NOT_SENT, PushResult.NEVER_BEGUN)
"""Results after which the ledger makes the message pending again."""
_NOT_SENT_NOW = (*_PENDING_AGAIN, PushResult.SUPPRESSED)
"""Results of messages that were not sent."""


class Recorder:
    """Takes one result for each opened message; its task exists only while there is something to write."""

    def __init__(
        self,
        lease: Lease,
        chain: Sequence[str],
        *,
        context: WorkerContext,
        run: BatchRun,
        ledger_retry: LedgerRetry,
        check: SuppressionCheck,
        share: CapacityShare,
        is_urgent: bool = False,
    ) -> None:
        """Make the recorder of a batch.

        Args:
            lease: the lease of the batch.
            chain: nicknames of the campaign's providers, by priority.
            context: the services that all batches of the process share; each result releases a permit of ``capacity``.
            run: the run of the batch; it says whether the batch may write.
            ledger_retry: repeats the writes while the ledger is unavailable.
            check: notes each message that was not sent, before the ledger records the message.
            share: has the permits of the batch's messages.
            is_urgent: whether the permits were taken for an urgent batch.
        """
        self.outstanding = 0
        """Opened messages whose result was not added yet."""
        self.has_pending_again = False
        """Whether messages became pending again since the batch last asked the ledger for a block."""
        self._lease = lease
        self._chain = chain
        self._context = context
        self._capacity = context.capacity
        self._share = share
        self._is_urgent = is_urgent
        self._group_size = context.timings.group_size
        self._run = run
        self._ledger_retry = ledger_retry
        self._check = check
        self._queued: list[MessageResult] = []
        """Results that were added and wait to be written."""
        self._written: Counter[str] = Counter()
        """How many results were written or are being written, by their label."""
        self._write_now = asyncio.Event()
        self._is_writing = False

    @property
    def is_idle(self) -> bool:
        """Whether every opened message has its result, and all results are written."""
        return not self.outstanding and not self._is_writing

    @property
    def counts(self) -> Counter[str]:
        """How many results were added so far, by their label."""
        return +self._written + Counter(result.label for result in self._queued)

    def expect_results(self, count: int) -> None:
        """Note that a block with *count* messages was opened: a result for each of them will be added."""
        self.outstanding += count

    def count_suppressed(self, messages: int) -> None:
        """Count messages that the ledger suppressed when a block was opened."""
        self._written["suppressed"] += messages

    def add(self, result: MessageResult) -> None:
        """Add the result of one message."""
        self._capacity.release(1, share=self._share, is_urgent=self._is_urgent)
        self._queued.append(result)
        if not self._is_writing:
            self._start_writing()
        outcome = result.outcome
        concerns_others = outcome and (outcome.verdict in _WRITE_AT_ONCE or outcome.scope is not None)
        if concerns_others or len(self._queued) >= self._group_size:
            self._write_now.set()
        self.outstanding -= 1
        if not self.outstanding:
            self._run.notify()

    def _start_writing(self) -> None:
        if self._queued and self._run.may_write:
            self._is_writing = True
            self._run.start_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._queued and self._run.may_write:
                await self._collect()
                group, self._queued = self._queued, []
                self._write_now.clear()
                self._count(group)
                by_provider = defaultdict[int, list[MessageResult]](list)
                for result in group:
                    by_provider[result.chain_index].append(result)
                for chain_index, of_provider in by_provider.items():
                    if are_all_accepted(of_provider):
                        await self._write_accepted(of_provider, self._chain[chain_index])
                    else:
                        await self._write(of_provider, self._chain[chain_index])
        except BatchWritesEnded as error:
            self._run.forbid_writes(end_of_writes(error))
        finally:
            self._is_writing = False
            self._start_writing()  # also after an unexpected error: the next group may not cause the error again

    async def _collect(self) -> None:
        """Wait ``group_wait_s`` for more results, unless a full group waits or the batch stops."""
        if len(self._queued) < self._group_size and not self._run.stopping.is_set():
            await self._context.clock.wait(self._write_now, self._context.timings.group_wait_s)

    def _count(self, group: Sequence[MessageResult]) -> None:
        """Count a group that is about to be written."""
        if are_all_accepted(group):
            self._written[group[0].label] += len(group)
        else:
            self._written.update(result.label for result in group)

    async def _write_accepted(self, group: list[MessageResult], provider: str) -> None:
        """Write a group of which every message was accepted."""
        self._context.reach.note_response(provider)
        results = [ledger_result(result) for result in group]
        disagreements = part_disagreements(group)
        await self._ledger_retry.call(
            lambda: self._context.leases.record(
                self._lease, results, provider=provider, part_disagreements=disagreements
            )
        )

    async def _write(self, group: list[MessageResult], provider: str) -> None:
        """Write any group; apply the consequences of its results for others before the ledger records them."""
        self._context.reach.note(provider, [result.outcome for result in group])
        results = [ledger_result(result) for result in group]
        consequence = consequence_of(group, self._context.rng)
        if consequence.back_off is BackOffPolicy.IF_NONE_ACCEPTED and self._context.reach.is_lost(provider):
            consequence = consequence._replace(back_off=BackOffPolicy.IF_NONE_ANSWERED)
        if (brake := widest_brake(group)) and brake.scope is BrakeScope.PROVIDER:
            sender = self._lease.ref.sender
            await self._ledger_retry.call(lambda: self._context.brake_provider(sender, provider, consequence.reason))
        for result in results:
            if result.result in _NOT_SENT_NOW:
                self._check.note_not_sent(result.index)
        if dead := self._dead_numbers(results):
            # Noted before the results: after a crash in between, the message is in doubt, and its number is dead.
            await self._ledger_retry.call(lambda: self._context.opt_out_cache.note_dead(dead))
        disagreements = part_disagreements(group)
        await self._ledger_retry.call(
            lambda: self._context.leases.record(
                self._lease, results, consequence, provider=provider, part_disagreements=disagreements
            )
        )
        if any(result.result in _PENDING_AGAIN for result in results):
            self.has_pending_again = True
            self._run.notify()

    def _dead_numbers(self, results: Sequence[Result]) -> dict[str, int]:
        """Return the numbers that nobody has, as the provider responded, each with the code of the response."""
        codes, phones = self._context.opt_out_cache.dead_codes, self._lease.recipients.to
        return {
            phones[result.index]: result.code
            for result in results
            if result.result is PushResult.REJECTED and result.code in codes
        }
