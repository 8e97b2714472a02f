"""Counts the messages of a draft that would be suppressed, because their numbers got the text or too many messages."""

from collections.abc import Callable, Iterator
from datetime import datetime

from redis.asyncio import Redis

from producers.campaign.file import Campaign
from producers.draft import Draft, RowPass
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.model import Recipients, SenderId
from times_dispatch.ledger.opt_outs import OptOuts
from times_dispatch.ledger.repetitions import RepetitionCheck, Repetitions
from times_dispatch.settings.durations import format_duration
from times_dispatch.settings.senders import SenderSettings
from times_dispatch.sms.templates import Template

_BATCH_SIZE = 1000


class RepetitionCounter:
    """Counts repetitions among the rows of a campaign, for the moment at which its first message may be sent.

    Args:
        redis: the ledger.
        campaign: the campaign file.
        now: the moment of the submit.
    """

    def __init__(self, redis: Redis, campaign: Campaign, now: datetime) -> None:
        sender = campaign.sender
        limit = FrequencyLimit(sender.repeat_after_s, sender.max_per_number, sender.frequency_period_s)
        text = campaign.template_settings.text
        opens_s = campaign.schedule.at(now).opens.timestamp()
        self._check = RepetitionCheck(redis, SenderId(campaign.table.sender), text, limit, at_s=opens_s)
        self._template = Template(text)

    async def is_needed(self) -> bool:
        """Return whether any row can be a repetition."""
        return await self._check.is_needed()

    async def add(self, batch: Recipients, opted_out: list[bool] | None = None) -> None:
        """Count the repetitions of a batch, without the rows on the opt-out list, which are suppressed anyway."""
        rows = [index for index in range(len(batch.to)) if not (opted_out and opted_out[index])]
        texts = [self._template.render([column[index] for column in batch.slots]) for index in rows]
        await self._check.add([batch.to[index] for index in rows], texts)

    @property
    def counts(self) -> Repetitions:
        """The numbers of all batches that were added."""
        return self._check.counts


async def count_repetitions(
    redis: Redis, draft: Draft, now: datetime, progress: Callable[[RowPass], None] | None = None
) -> Repetitions:
    """Read the rows of a draft and count repetitions; read no row if no row can be a repetition.

    Args:
        redis: the ledger.
        draft: the campaign and its recipients.
        now: the moment of the submit.
        progress: called after each batch.
    """
    counter, opt_outs = RepetitionCounter(redis, draft.campaign, now), OptOuts(redis)
    if not await counter.is_needed():
        return Repetitions()
    has_opt_outs = not await opt_outs.is_empty()
    with draft.read(rejects=False) as row_pass:
        for batch in row_pass.batches(_BATCH_SIZE):
            listed = await opt_outs.contains(batch.to) if has_opt_outs else None
            await counter.add(batch, [bool(each) for each in listed] if listed else None)
            if progress:
                progress(row_pass)
    return counter.counts


def repetitions_in_words(counts: Repetitions, sender: SenderSettings) -> Iterator[str]:
    """Yield a line for each reason why rows will be suppressed or will wait."""
    if counts.same_text:
        after = format_duration(sender.repeat_after_s)
        yield f"{counts.same_text:,} of them will be suppressed: the same text went to their numbers within {after}"
    if counts.too_many:
        yield f"{counts.too_many:,} of them will be suppressed: max_per_number allows {sender.frequency_cap}"
    if counts.undecided:
        yield f"{counts.undecided:,} of them will wait: an earlier message to their numbers is still being sent"
