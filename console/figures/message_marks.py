"""What the ledger stores about messages besides their records: reactions, waits for a second try, earlier attempts.

A mark is a bit for each message of a campaign. A mark says that a message had a reaction, but not how many
reactions. So the number of clicks may be larger than the number of messages in the list of clicked messages.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, cast

from redis.asyncio import Redis

from times_dispatch.ledger.batch_columns import BatchColumns
from times_dispatch.ledger.keys import CampaignKey, campaign_key
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.statistics.attempts import tries_before, unpack_attempts
from times_dispatch.links.codes import MAX_LINKS


class MessageMark(StrEnum):
    """A mark of a message; addresses of pages contain the value."""

    CLICKED = "clicked"
    REPLIED = "replied"
    OPTED_OUT = "opted_out"
    """The recipient asked for no more messages."""
    WAITING = "waiting"
    """The message failed and waits for a second try."""
    CLICKED_UNKNOWN = "link_0"
    """There was a click of which the link is not known."""
    CLICKED_1 = "link_1"
    """The first link was clicked."""
    CLICKED_2 = "link_2"
    CLICKED_3 = "link_3"
    CLICKED_4 = "link_4"
    CLICKED_5 = "link_5"


CLICKED_LINKS: Final = tuple(MessageMark(f"link_{link}") for link in range(MAX_LINKS + 1))
"""The marks of messages in which a link was clicked, by the number of the link; 0: the link is not known."""
_KEYS: Final[Mapping[MessageMark, str]] = {
    MessageMark.CLICKED: CampaignKey.CLICKERS,
    MessageMark.REPLIED: CampaignKey.REPLIERS,
    MessageMark.OPTED_OUT: CampaignKey.UNSUBSCRIBERS,
    MessageMark.WAITING: CampaignKey.RETRIES,
    **{mark: f"{CampaignKey.CLICKERS}:{link}" for link, mark in enumerate(CLICKED_LINKS)},
}


async def batches_with(
    redis: Redis, view: CampaignView, marks: Iterable[MessageMark], numbers: Sequence[int], *, batch_size: int
) -> Sequence[int]:
    """Return the batches that may have a message with all of some marks.

    Args:
        redis: the ledger.
        view: the campaign, or one lane of it.
        marks: the marks.
        numbers: consecutive numbers of batches.
        batch_size: messages of each batch but the last.
    """
    for mark in marks:
        if not numbers:
            return numbers
        begin = numbers[0] * batch_size // 8
        bits = await _bits(redis, view, mark, begin, ((numbers[-1] + 1) * batch_size - 1) // 8)
        numbers = [
            number
            for number in numbers
            if any(bits[number * batch_size // 8 - begin : ((number + 1) * batch_size - 1) // 8 - begin + 1])
        ]
    return numbers


async def marked_positions(redis: Redis, view: CampaignView, batch: BatchColumns, mark: MessageMark) -> frozenset[int]:
    """Return the positions in a batch of the messages with a mark."""
    first, count = batch.recipients.first, len(batch.recipients.to)
    bits = await _bits(redis, view, mark, first // 8, (first + count - 1) // 8)
    indexes = range(first, first + count)
    return frozenset(index - first for index in indexes if bits[index // 8 - first // 8] & (0x80 >> index % 8))


async def tried_again(
    redis: Redis, view: CampaignView, batch: BatchColumns, *, tries: int | None, recovered: bool
) -> frozenset[int]:
    """Return the positions in a batch of messages that were sent again because an attempt failed.

    Args:
        redis: the ledger.
        view: the campaign, or one lane of it.
        batch: the batch.
        tries: only messages whose second try of this number a provider accepted; None for all.
        recovered: only messages that were delivered by a second try.
    """
    first, count = batch.recipients.first, len(batch.recipients.to)
    if not count:
        return frozenset()
    key = f"{campaign_key(view.plan.sender, view.id)}:{CampaignKey.ATTEMPTS}"
    stored = cast("list[bytes | None]", await redis.hmget(key, [str(first + at) for at in range(count)]))
    chosen = set[int]()
    for at, packed in enumerate(stored):
        attempts = unpack_attempts(packed or b"")
        proved = {tries_before(attempts, attempt.number) for attempt in attempts if attempt.is_proved}
        is_delivered = batch.records.states[at] == MessageState.DELIVERED.value
        is_recovered = is_delivered and tries_before(attempts, batch.records.attempts[at]) > 0
        if (tries is None or tries in proved) and (is_recovered or not recovered):
            chosen.add(at)
    return frozenset(chosen)


async def _bits(redis: Redis, view: CampaignView, mark: MessageMark, first: int, last: int) -> bytes:
    """Return the bytes of a bitmap from *first* to *last*, both included; missing bytes of a shorter bitmap are 0.

    Args:
        redis: the ledger.
        view: the campaign.
        mark: the mark whose bitmap is read.
        first: the index of the first byte.
        last: the index of the last byte.
    """
    key = f"{campaign_key(view.plan.sender, view.id)}:{_KEYS[mark]}"
    stored = cast("bytes", await redis.getrange(key, first, last)) if last >= first else b""
    return stored.ljust(last - first + 1, b"\0")
