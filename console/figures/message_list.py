"""Lists of the messages that a figure counts: by state, code, hour or day, and time until delivery, page by page.

The state bytes of many batches are read first, and only the batches that may have a match are unpacked, so that a rare
state among millions is found quickly. Each page reads a bounded number of batches.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from console.figures.message_marks import MessageMark, batches_with, marked_positions, tried_again
from producers.export.code_names import code_name
from producers.export.rows import RowFilter
from times_dispatch.ledger.batch_columns import BatchColumns, read_batches
from times_dispatch.ledger.keys import BatchKey, batch_key
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.statistics.delivery_times import bucket_of
from times_dispatch.settings.masking import mask
from times_dispatch.sms.templates import Template, TemplateInvalid
from times_dispatch.visible_text import without_long_numbers

PAGE: Final = 100
"""Messages of a page."""
_MAX_BATCH: Final = 1_000
_BATCHES_AT_ONCE: Final = 256
_INDIA_OFFSET_MS: Final = 19_800_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


class PageLimits(NamedTuple):
    """The maximum number of batches that one page reads."""

    max_searched: int = 2_048
    """Batches whose states are read."""
    max_unpacked: int = 64
    """Batches whose messages are unpacked."""


_LIMITS: Final = PageLimits()


class MessageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages are listed; an empty field takes all."""

    states: frozenset[MessageState] = frozenset()
    code: int | None = None
    hour: int | None = None
    """The hour of the last push, counted in India since the epoch."""
    day: int | None = None
    """The day of the last push, counted in India since the epoch."""
    marks: Mapping[MessageMark, bool] = {}
    """For each mark: only messages with the mark (True), or only messages without the mark (False)."""
    tries: int | None = None
    """Only messages whose second try of this number a provider accepted."""
    recovered: bool = False
    """Only messages that were delivered by a second try."""
    bucket: int | None = None
    """The bucket of the time until delivery (``statistics/delivery_times.py``)."""


class ListedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a list; times are epoch milliseconds, and 0 without such a time."""

    index: int
    line: int
    number: str
    """The masked number; empty for viewers."""
    text: str
    """The text with long numbers masked; empty for viewers."""
    state: MessageState
    code: int
    code_name: str
    """The code with its origin, ``report:910``; empty if nothing went wrong."""
    attempt: int
    parts: int
    sent_ms: int
    reported_ms: int


class MessagePage(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of one page, and the position of the next page."""

    messages: list[ListedMessage]
    next: int | None
    """The index of the message after which the next page begins; None if this is the last page."""
    is_cut: bool
    """Whether the page ended because enough batches were searched, and not because the page is full."""


async def list_messages(
    redis: Redis,
    view: CampaignView,
    wanted: MessageFilter,
    *,
    after: int = -1,
    count: int = PAGE,
    shows_people: bool,
    limits: PageLimits = _LIMITS,
) -> MessagePage:
    """Return a page of messages in the order of the campaign.

    Args:
        redis: the ledger.
        view: the campaign.
        wanted: which messages.
        after: the index of the message after which the page begins; -1 for the first page.
        count: messages of the page, at most.
        shows_people: whether masked numbers and texts are shown.
        limits: how many batches the page reads.

    Raises:
        CampaignDamaged: a batch cannot be read.
    """
    if view.lanes:
        return await _list_lanes(
            redis, view, wanted, after=after, count=count, shows_people=shows_people, limits=limits
        )
    first_batch, listed = await _batch_of(redis, view, after), list[ListedMessage]()
    unpacked = 0
    for begin in range(first_batch, min(view.batches, first_batch + limits.max_searched), _BATCHES_AT_ONCE):
        numbers = range(begin, min(begin + _BATCHES_AT_ONCE, view.batches, first_batch + limits.max_searched))
        candidates = await _candidates(redis, view, wanted, numbers)
        async for batch in read_batches(redis, view, candidates):
            unpacked += 1
            positions = await _positions(redis, view, batch, wanted)
            for message in _matches(view, batch, wanted, positions, shows_people=shows_people):
                if message.index <= after:
                    continue
                if len(listed) == count:
                    return MessagePage(messages=listed, next=listed[-1].index, is_cut=False)
                listed.append(message)
            if unpacked >= limits.max_unpacked:
                last = batch.recipients.first + len(batch.recipients.to) - 1
                is_end = last + 1 >= view.total
                return MessagePage(messages=listed, next=None if is_end else last, is_cut=not is_end)
    searched = first_batch + limits.max_searched
    if searched < view.batches:
        return MessagePage(messages=listed, next=await _first_of(redis, view, searched) - 1, is_cut=True)
    return MessagePage(messages=listed, next=None, is_cut=False)


async def _list_lanes(
    redis: Redis,
    view: CampaignView,
    wanted: MessageFilter,
    *,
    after: int,
    count: int,
    shows_people: bool,
    limits: PageLimits,
) -> MessagePage:
    """Return a page of messages lane by lane. The arguments are those of ``list_messages``."""
    listed, offset = list[ListedMessage](), 0
    for lane in view.lanes:
        end = offset + lane.total
        if after + 1 < end:
            page = await list_messages(
                redis,
                lane,
                wanted,
                after=max(after - offset, -1),
                count=count - len(listed),
                shows_people=shows_people,
                limits=limits,
            )
            listed += [msgspec.structs.replace(message, index=message.index + offset) for message in page.messages]
            if page.next is not None:
                return MessagePage(messages=listed, next=page.next + offset, is_cut=page.is_cut)
            if len(listed) == count and end < view.total:
                return MessagePage(messages=listed, next=end - 1, is_cut=False)
        offset = end
    return MessagePage(messages=listed, next=None, is_cut=False)


async def _batch_of(redis: Redis, view: CampaignView, after: int) -> int:
    """Return the number of the batch with the message that follows a message; all batches but the last are equal."""
    if after < 0 or not view.batches:
        return 0
    size = await _batch_size(redis, view)
    return min((after + 1) // size, view.batches)


async def _first_of(redis: Redis, view: CampaignView, batch: int) -> int:
    return batch * await _batch_size(redis, view)


async def _batch_size(redis: Redis, view: CampaignView) -> int:
    async for batch in read_batches(redis, view, [0]):
        return max(1, len(batch.recipients.to))
    return 1


async def _candidates(redis: Redis, view: CampaignView, wanted: MessageFilter, numbers: Sequence[int]) -> Sequence[int]:
    """Return the batches that may have a wanted message; only state bytes and bits of marks are read."""
    if marks := [mark for mark, is_wanted in wanted.marks.items() if is_wanted]:
        numbers = await batches_with(redis, view, marks, numbers, batch_size=await _batch_size(redis, view))
    if not wanted.states or not numbers:
        return numbers
    async with redis.pipeline(transaction=False) as pipe:
        for number in numbers:
            pipe.getrange(batch_key(view.plan.sender, view.id, BatchKey.MESSAGES, number), 0, _MAX_BATCH - 1)
        replies = cast("list[bytes]", await pipe.execute())
    letters = [ord(state.value) for state in wanted.states]
    return [
        number
        for number, states in zip(numbers, replies, strict=True)
        if (
            any(letter in states for letter in letters)
            if states
            else view.state_without_records(number) in wanted.states
        )
    ]


async def _positions(
    redis: Redis, view: CampaignView, batch: BatchColumns, wanted: MessageFilter
) -> frozenset[int] | None:
    """Return the positions in a batch of the messages with the wanted marks and second tries; None for all."""
    if not wanted.marks and wanted.tries is None and not wanted.recovered:
        return None
    chosen = frozenset(range(len(batch.recipients.to)))
    for mark, is_wanted in wanted.marks.items():
        marked = await marked_positions(redis, view, batch, mark)
        chosen = chosen & marked if is_wanted else chosen - marked
    if wanted.tries is not None or wanted.recovered:
        chosen &= await tried_again(redis, view, batch, tries=wanted.tries, recovered=wanted.recovered)
    return chosen


def _matches(
    view: CampaignView,
    batch: BatchColumns,
    wanted: MessageFilter,
    positions: frozenset[int] | None,
    *,
    shows_people: bool,
) -> Iterator[ListedMessage]:
    """Yield the wanted messages of a batch, in their order.

    Args:
        view: the campaign.
        batch: the batch.
        wanted: which messages.
        positions: the positions in the batch that have the wanted marks; None for all.
        shows_people: whether masked numbers and texts are shown.
    """
    recipients, records = batch.recipients, batch.records
    all_pushed_ms = records.pushed_ms
    codes = frozenset() if wanted.code is None else frozenset({wanted.code})
    for at in RowFilter(wanted.states, codes).positions(batch):
        if positions is not None and at not in positions:
            continue
        state = MessageState(records.states[at])
        sent_ms = view.created_ms + all_pushed_ms[at] if all_pushed_ms[at] else 0
        reported_ms = records.reported_s[at] * 1000
        if wanted.hour is not None and (not sent_ms or (sent_ms + _INDIA_OFFSET_MS) // _HOUR_MS != wanted.hour):
            continue
        if wanted.day is not None and (not sent_ms or (sent_ms + _INDIA_OFFSET_MS) // _DAY_MS != wanted.day):
            continue
        if wanted.bucket is not None and (
            state is not MessageState.DELIVERED or bucket_of(reported_ms - sent_ms) != wanted.bucket
        ):
            continue
        yield ListedMessage(
            index=recipients.first + at,
            line=recipients.lines[at],
            number=mask(recipients.to[at]) if shows_people else "",
            text=masked_text(view, [column[at] for column in recipients.slots]) if shows_people else "",
            state=state,
            code=records.codes[at],
            code_name=code_name(state, records.codes[at], retry=view.plan.retry),
            attempt=records.attempts[at],
            parts=recipients.parts[at],
            sent_ms=sent_ms,
            reported_ms=reported_ms,
        )


def masked_text(view: CampaignView, values: Sequence[str]) -> str:
    """Return the text of a message; numbers of six digits and more keep only their first and last two digits."""
    try:
        literals = list(Template(view.plan.text).literals)
    except TemplateInvalid:
        literals = [view.plan.text]
    pieces = [literals[0]]
    for literal, value in zip(literals[1:], [*values, *[""] * len(literals)], strict=False):
        pieces += [value, literal]
    return without_long_numbers("".join(pieces), mask="***")
