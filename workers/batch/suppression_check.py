"""The gate of a batch, between the opening of a block and its first push: who must not be texted (now) stays behind."""

import time
from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from times_dispatch.ledger.frequency_cap import FrequencyCaps, FrequencyLimit, Mark, fingerprint
from times_dispatch.ledger.leases import Block, Lease, Result, new_operation
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.optouts import OptOuts
from times_dispatch.ledger.protocol import PushResult
from times_dispatch.ledger.states import Suppression
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.renderer import MessageRenderer

_EMPTY_FOR_S = 1.0
"""An empty opt-out list is believed to be empty for so long, so that it costs nothing per block."""


class OptOutCache:
    """The screen of a process; all its batches ask it. Raises redis errors: who gets one pushes nothing."""

    def __init__(self, redis: Redis, frequencies: Mapping[str, FrequencyLimit] | None = None) -> None:
        self.admissions = FrequencyCaps(redis)
        self._frequencies = frequencies or {}
        self._optouts = OptOuts(redis)
        self._nobody_until = 0.0

    def frequency(self, sender: str) -> FrequencyLimit:
        """Return how often a sender may text one number; a sender that the settings do not know, as it likes."""
        return self._frequencies.get(sender, FrequencyLimit())

    async def opted_out(self, numbers: Sequence[str]) -> list[bool]:
        """Say for each number whether it is on the opt-out list."""
        if time.monotonic() < self._nobody_until:
            return [False] * len(numbers)
        asked_at = time.monotonic()
        if await self._optouts.is_empty():
            self._nobody_until = asked_at + _EMPTY_FOR_S
            return [False] * len(numbers)
        return await self._optouts.contains(numbers)


_UNSENT = frozenset({PushResult.REJECTED, PushResult.NOT_SENT, PushResult.NEVER_BEGUN})


class SuppressionCheck:
    """Asks the ledger as long as there is a point in it; raises ``LeaseLost`` when there is none any more."""

    def __init__(
        self, lease: Lease, plan: Plan, *, screen: OptOutCache, patience: LedgerRetry, messages: MessageRenderer
    ) -> None:
        self._lease = lease
        self._text = plan.text
        self._screen = screen
        self._frequency = screen.frequency(plan.sender)
        self._patience = patience
        self._messages = messages
        self._marks: dict[int, Mark] = {}
        """Of messages that were admitted to their numbers, until their outcome is written."""

    async def reasons(self, block: Block) -> Sequence[Suppression | None]:
        """Say for each message of a block why it must not be pushed, or None; mark those that may."""
        numbers = [self._messages.to(place) for place, _ in block.messages]
        opted_out = await self._patience.call(lambda: self._screen.opted_out(numbers))
        reasons = [Suppression.OPTED_OUT if is_out else None for is_out in opted_out]
        if not any(self._frequency):
            return reasons
        going = [message for message, reason in zip(block.messages, reasons, strict=True) if not reason]
        admitted = iter(await self._admit(block.number, going) if going else ())
        return [reason or next(admitted) for reason in reasons]

    async def take_back(self, results: Sequence[Result]) -> None:
        """Take back what was noted of messages that were not sent; to be done before they can be opened again."""
        marks = [
            mark for result in results if (mark := self._marks.pop(result.index, None)) and result.verdict in _UNSENT
        ]
        if marks:
            operation, admissions = new_operation(), self._screen.admissions
            await self._patience.call(
                lambda: admissions.undo(self._lease, operation, self._frequency, self._text, marks)
            )

    async def _admit(self, block: int, messages: Sequence[tuple[int, int]]) -> Sequence[Suppression | None]:
        marks = []
        for place, attempt in messages:
            to = self._messages.to(place)
            marks.append(Mark(to, fingerprint(to, self._messages.text(place)), attempt))
        admissions = self._screen.admissions
        at_s, reasons = await self._patience.call(
            lambda: admissions.check(self._lease, block, self._frequency, self._text, marks)
        )
        for (place, _), mark, reason in zip(messages, marks, reasons, strict=True):
            if not reason:
                self._marks[place] = mark._replace(at_s=at_s)
        return reasons
