"""The check between the opening of a block and its first push: which messages must not be pushed."""

from collections.abc import Sequence

from times_dispatch.ledger.frequency_cap import Mark, fingerprint
from times_dispatch.ledger.leases import Block, Lease, Result, new_operation
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.protocol import PushResult
from times_dispatch.ledger.states import Suppression
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.opt_out_cache import OptOutCache
from workers.batch.renderer import MessageRenderer

_UNSENT = (PushResult.REJECTED, PushResult.NOT_SENT, PushResult.NEVER_BEGUN)
"""Verdicts after which a message does not count towards its number's frequency cap."""


class SuppressionCheck:
    """Asks for the opt-outs and the frequency caps of one batch; raises ``LeaseLost`` when the batch has to end."""

    def __init__(
        self, lease: Lease, plan: Plan, *, cache: OptOutCache, ledger_retry: LedgerRetry, renderer: MessageRenderer
    ) -> None:
        self._lease = lease
        self._template_text = plan.text
        self._cache = cache
        self._limit = cache.frequency_limit(plan.sender)
        self._ledger_retry = ledger_retry
        self._renderer = renderer
        self._marks: dict[int, Mark] = {}
        """By index in the batch: what the ledger counts for messages whose result is not written yet."""

    async def reasons(self, block: Block) -> Sequence[Suppression | None]:
        """Say for each message of a block why it must not be pushed, or None; count those that may be pushed."""
        numbers = [self._renderer.to(index) for index, _ in block.messages]
        opted_out = await self._ledger_retry.call(lambda: self._cache.opted_out(numbers))
        reasons = [Suppression.OPTED_OUT if is_out else None for is_out in opted_out]
        if not any(self._limit):
            return reasons
        messages = [message for message, reason in zip(block.messages, reasons, strict=True) if not reason]
        cap_reasons = iter(await self._count(block.number, messages) if messages else ())
        return [reason or next(cap_reasons) for reason in reasons]

    async def undo_unsent(self, results: Sequence[Result]) -> None:
        """Undo the count of messages that were not sent.

        To be called before the results are written: as soon as they are, the messages can be opened and counted again.
        """
        if not any(self._limit):
            return
        marks = []
        for result in results:
            self._renderer.forget(result.index)
            if (mark := self._marks.pop(result.index, None)) and result.verdict in _UNSENT:
                marks.append(mark)
        if marks:
            operation, caps = new_operation(), self._cache.frequency_caps
            await self._ledger_retry.call(
                lambda: caps.undo(self._lease, operation, self._limit, self._template_text, marks)
            )

    async def _count(self, block: int, messages: Sequence[tuple[int, int]]) -> Sequence[Suppression | None]:
        marks = []
        for index, attempt in messages:
            to = self._renderer.to(index)
            marks.append(Mark(to, fingerprint(to, self._renderer.text(index)), attempt))
        caps = self._cache.frequency_caps
        at_s, reasons = await self._ledger_retry.call(
            lambda: caps.check(self._lease, block, self._limit, self._template_text, marks)
        )
        for (index, _), mark, reason in zip(messages, marks, reasons, strict=True):
            if not reason:
                self._marks[index] = mark._replace(at_s=at_s)
        return reasons
