"""How many messages of a resend would be suppressed when they are sent, as the ledger is now; nothing is written."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from producers.preflight.repetitions import repetitions_in_words
from times_dispatch.ledger.batch_columns import BatchColumns
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.opt_outs import Listed, OptOuts
from times_dispatch.ledger.repetitions import RepetitionCheck, Repetitions
from times_dispatch.settings.model import Settings
from times_dispatch.settings.senders import SenderSettings
from times_dispatch.sms.templates import Template


class Suppressions(NamedTuple):
    """How many messages would be suppressed, or would wait, by reason."""

    opted_out: int = 0
    """Their numbers are on the opt-out list."""
    dead: int = 0
    """Nobody has their numbers."""
    repetitions: Repetitions = Repetitions()

    def in_words(self, sender: SenderSettings) -> Iterator[str]:
        """Yield a line for each reason."""
        if self.opted_out:
            yield f"{self.opted_out:,} of them will be suppressed: on the opt-out list"
        if self.dead:
            yield f"{self.dead:,} of them will be suppressed: a dead number"
        yield from repetitions_in_words(self.repetitions, sender)


class SuppressionCounter:
    """Counts the messages of a resend that would be suppressed."""

    def __init__(self, redis: Redis, settings: Settings, plan: Plan, *, at_s: float) -> None:
        """Make a counter.

        Args:
            redis: the ledger.
            settings: gives the frequency caps of the sender, and the rule for dead numbers.
            plan: the plan of the resend.
            at_s: when the first message may be sent, in epoch seconds.
        """
        sender = settings.senders[plan.sender]
        limit = FrequencyLimit(sender.repeat_after_s, sender.max_per_number, sender.frequency_period_s)
        self._opt_outs = OptOuts(redis, dead_keep_days=settings.dead_numbers.rule.keep_days)
        self._check = RepetitionCheck(redis, plan.sender, plan.text, limit, at_s=at_s)
        self._template = Template(plan.text)
        self._has_repetitions: bool | None = None
        self._listed = {Listed.OPTED_OUT: 0, Listed.DEAD: 0}

    async def add(self, batch: BatchColumns, positions: Sequence[int]) -> None:
        """Count the messages at these positions of a batch."""
        if self._has_repetitions is None:
            self._has_repetitions = await self._check.is_needed()
        numbers = [batch.recipients.to[position] for position in positions]
        sent = list[int]()
        for position, listed in zip(positions, await self._opt_outs.contains(numbers), strict=True):
            if listed:
                self._listed[listed] += 1
            else:
                sent.append(position)
        if self._has_repetitions:
            slots = batch.recipients.slots
            texts = [self._template.render([column[position] for column in slots]) for position in sent]
            await self._check.add([batch.recipients.to[position] for position in sent], texts)

    @property
    def counts(self) -> Suppressions:
        """The numbers of all messages that were added."""
        return Suppressions(self._listed[Listed.OPTED_OUT], self._listed[Listed.DEAD], self._check.counts)
