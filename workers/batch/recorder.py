"""The recorder of a batch, the end of every message's way: writes results into the ledger, group by group."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence

from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.protocol import PushResult
from times_dispatch.provider.outcomes import BrakeScope, Verdict
from workers.batch.batch_run import BatchRun
from workers.batch.context import WorkerContext
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.message_result import MessageResult, consequence, ledger_result, part_disagreements, widest_brake
from workers.batch.suppression_check import SuppressionCheck

_WRITE_AT_ONCE = (Verdict.BRAKE, Verdict.THROTTLED)
"""A result with one of these verdicts is written at once: every message that is opened before the ledger knows it would
get the same answer. A tuple, for an enum member is slow to hash."""
_PENDING_AGAIN = (PushResult.NOT_SENT, PushResult.NEVER_BEGUN)
"""What the ledger is told of messages that it puts back to pending."""
_NOT_SENT_NOW = (*_PENDING_AGAIN, PushResult.SUPPRESSED)


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
        is_urgent: bool = False,
    ) -> None:
        """Make the recorder of a batch.

        Args:
            lease: the batch's.
            chain: nicknames of the campaign's providers, by priority.
            context: what the batches of the process share; each result gives a permit of ``capacity`` back.
            run: the batch's; a lost lease ends the writing.
            ledger_retry: repeats the writes while the ledger is away.
            check: hears of messages that are not sent now, before each write.
            is_urgent: whether the permits were taken for an urgent batch.
        """
        self.outstanding = 0
        """Opened messages whose result has not come yet."""
        self.has_returned = False
        """Whether messages became pending again since the batch last asked the ledger for a block."""
        self._lease = lease
        self._chain = chain
        self._context = context
        self._capacity = context.capacity
        self._is_urgent = is_urgent
        self._group_size = context.timings.group_size
        self._run = run
        self._ledger_retry = ledger_retry
        self._check = check
        self._results: list[MessageResult] = []
        """Not taken for writing yet."""
        self._taken: Counter[str] = Counter()
        """Results that were taken for writing, by their label."""
        self._write_now = asyncio.Event()
        self._is_writing = False

    @property
    def is_idle(self) -> bool:
        """Whether every opened message has its result, and all results are written."""
        return not self.outstanding and not self._is_writing

    @property
    def counts(self) -> Counter[str]:
        """How many results came so far, by their label."""
        return +self._taken + Counter(pushed.label for pushed in self._results)

    def expect(self, messages: int) -> None:
        """Note that a block was opened: one result will come for each of its messages."""
        self.outstanding += messages

    def count_suppressed(self, messages: int) -> None:
        """Count messages that the ledger suppressed when a block was opened."""
        self._taken["suppressed"] += messages

    def add(self, pushed: MessageResult) -> None:
        """Take the result of one message."""
        self._capacity.give_back(1, is_urgent=self._is_urgent)
        self._results.append(pushed)
        if not self._is_writing:
            self._start_writing()
        outcome = pushed.outcome
        is_urgent = outcome and (outcome.verdict in _WRITE_AT_ONCE or outcome.scope is not None)
        if is_urgent or len(self._results) >= self._group_size:
            self._write_now.set()
        self.outstanding -= 1
        if not self.outstanding:
            self._run.progress()

    def _start_writing(self) -> None:
        if self._results and not self._run.is_lost:
            self._is_writing = True
            self._run.start_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._results and not self._run.is_lost:
                await self._collect()
                group, self._results = self._results, []
                self._write_now.clear()
                self._taken.update(pushed.label for pushed in group)
                by_provider = defaultdict[int, list[MessageResult]](list)
                for pushed in group:
                    by_provider[pushed.chain_index].append(pushed)
                for chain_index, of_provider in by_provider.items():
                    await self._write(of_provider, self._chain[chain_index])
        except LeaseLost:
            self._run.lose()
        finally:
            self._is_writing = False
            self._start_writing()  # after an unexpected error: the next group may be free of it

    async def _collect(self) -> None:
        """Wait a moment for more results, unless there are enough or the batch stops."""
        if len(self._results) < self._group_size and not self._run.stopping.is_set():
            await self._context.clock.wait(self._write_now, self._context.timings.group_wait_s)

    async def _write(self, group: list[MessageResult], provider: str) -> None:
        results = [ledger_result(pushed) for pushed in group]
        meaning = consequence(group, self._context.rng)
        if (brake := widest_brake(group)) and brake.scope is BrakeScope.PROVIDER:
            sender = self._lease.ref.sender
            await self._ledger_retry.call(lambda: self._context.brake_provider(sender, provider, meaning.reason))
        for result in results:
            if result.result in _NOT_SENT_NOW:
                self._check.returned(result.index)
        disagreements = part_disagreements(group)
        await self._ledger_retry.call(
            lambda: self._context.leases.record(
                self._lease, results, meaning, provider=provider, part_disagreements=disagreements
            )
        )
        if any(result.result in _PENDING_AGAIN for result in results):
            self.has_returned = True
            self._run.progress()
