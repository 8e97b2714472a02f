"""Counts the messages that would be suppressed if they were sent now. Nothing is written to the ledger."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from redis.asyncio import Redis

from producers.draft import Draft, RowPass
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.model import Plan, Recipients
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts
from times_dispatch.ledger.repetitions import RepetitionCheck, Repetitions
from times_dispatch.settings.model import Settings
from times_dispatch.settings.tables.senders import SenderSettings
from times_dispatch.settings.values.durations import format_duration
from times_dispatch.sms.templates import Template

_BATCH_SIZE = 1000


class Suppressions(NamedTuple):
    """The numbers of messages that would be suppressed, or would wait, by reason."""

    opted_out: int = 0
    """Messages to numbers on the opt-out list."""
    dead: int = 0
    """Messages to dead numbers."""
    repetitions: Repetitions = Repetitions()

    def in_words(self, sender: SenderSettings) -> Iterator[str]:
        """Yield a line for each reason."""
        if self.opted_out:
            yield f"{self.opted_out:,} of them will be suppressed: on the opt-out list"
        if self.dead:
            yield f"{self.dead:,} of them will be suppressed: a dead number"
        yield from repetitions_in_words(self.repetitions, sender)


class SuppressionCounter:
    """Counts the messages of a campaign that would be suppressed, each with its first reason."""

    def __init__(self, redis: Redis, settings: Settings, plan: Plan, *, at_s: float) -> None:
        """Make a counter.

        Args:
            redis: the ledger.
            settings: gives the frequency caps of the sender, and the rule for dead numbers.
            plan: the plan of the campaign.
            at_s: when the first message may be sent, in epoch seconds.
        """
        sender = settings.senders[plan.sender]
        limit = FrequencyLimit(sender.repeat_after_s, sender.max_per_number, sender.frequency_period_s)
        self._opt_outs = OptOuts(redis, dead_keep_days=settings.dead_numbers.rule.keep_days)
        self._check = RepetitionCheck(redis, plan.sender, plan.text, limit, at_s=at_s)
        self._template = Template(plan.text)
        self._has_listed: bool | None = None
        self._has_repetitions: bool | None = None
        self._listed = {Listed.OPTED_OUT: 0, Listed.DEAD: 0}

    async def has_repetitions(self) -> bool:
        """Return whether any message can be a repetition."""
        if self._has_repetitions is None:
            self._has_repetitions = await self._check.is_needed()
        return self._has_repetitions

    async def add(self, batch: Recipients, positions: Sequence[int]) -> None:
        """Count the messages at these positions of a batch."""
        sent = await self._not_listed(batch, positions)
        if await self.has_repetitions():
            texts = [self._template.render([column[position] for column in batch.slots]) for position in sent]
            await self._check.add([batch.to[position] for position in sent], texts)

    async def _not_listed(self, batch: Recipients, positions: Sequence[int]) -> Sequence[int]:
        """Count the messages whose numbers have opted out or are dead; return the positions of the others."""
        if self._has_listed is None:
            self._has_listed = not await self._opt_outs.is_empty()  # a dead number counts as a change of the list, too
        if not self._has_listed:
            return positions
        others = list[int]()
        numbers = [batch.to[position] for position in positions]
        for position, listed in zip(positions, await self._opt_outs.contains(numbers), strict=True):
            if listed:
                self._listed[listed] += 1
            else:
                others.append(position)
        return others

    @property
    def counts(self) -> Suppressions:
        """The numbers of all messages that were added."""
        return Suppressions(self._listed[Listed.OPTED_OUT], self._listed[Listed.DEAD], self._check.counts)


def counter_of(redis: Redis, settings: Settings, draft: Draft, now: datetime) -> SuppressionCounter:
    """Return a counter for the rows of a draft that is submitted at the given time."""
    opens = draft.campaign.schedule.at(now).opens
    return SuppressionCounter(redis, settings, draft.campaign.plan(now), at_s=opens.timestamp())


async def count_repetitions(
    redis: Redis, settings: Settings, draft: Draft, now: datetime, progress: Callable[[RowPass], None] | None = None
) -> Repetitions:
    """Read the rows of a draft and count repetitions; read no row if no row can be a repetition.

    Args:
        redis: the ledger.
        settings: gives the frequency caps of the sender, and the rule for dead numbers.
        draft: the campaign and its recipients.
        now: the moment of the submit.
        progress: called after each batch.
    """
    counter = counter_of(redis, settings, draft, now)
    if not await counter.has_repetitions():
        return Repetitions()
    with draft.read(rejects=False) as row_pass:
        for batch in row_pass.batches(_BATCH_SIZE):
            await counter.add(batch, range(len(batch.to)))
            if progress:
                progress(row_pass)
    return counter.counts.repetitions


def repetitions_in_words(counts: Repetitions, sender: SenderSettings, *, whose: str = "of them") -> Iterator[str]:
    """Yield a line for each reason why rows will be suppressed or will wait; *whose* stands after each number."""
    if counts.same_text:
        after = format_duration(sender.repeat_after_s)
        yield f"{counts.same_text:,} {whose} will be suppressed: the same text went to their numbers within {after}"
    if counts.too_many:
        yield f"{counts.too_many:,} {whose} will be suppressed: max_per_number allows {sender.frequency_cap}"
    if counts.undecided:
        yield f"{counts.undecided:,} {whose} will wait: an earlier message to their numbers is still being sent"
