"""Deletes the data of one phone number from Redis: from recipients, and from the ledger's records about numbers."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha1
from typing import Final, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import TEST_SENDS, BatchKey, CampaignKey, SenderKey, batch_key, campaign_key, sender_key
from times_dispatch.ledger.model import CampaignId, CampaignView, Recipients
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.fingerprints import number_fingerprints
from times_dispatch.ledger.numbers.forgotten_numbers import packed_indexes, without_data
from times_dispatch.ledger.numbers.samples import NumberSample, unpacked_sample
from times_dispatch.ledger.queries import LaneQueries, MessageView
from times_dispatch.ledger.records import holds_number, pack_recipients, read_records, unpack_recipients
from times_dispatch.ledger.reports.forward_backlog import FORWARD, LANES, ForwardCount, lane_keys
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.states import AWAITING_REPORT, UNSENT, CampaignState, Suppression

_NATIONAL_DIGITS: Final = 10
_CUT: Final = -5
_AT_ONCE: Final = 16
_PAGE: Final = 1_000
_TRIES: Final = 5


class ForgottenBatch(NamedTuple):
    """The messages of one batch that held a number."""

    view: CampaignView
    messages: list[MessageView]
    """The messages to the number, as they were before the call."""
    others: int
    """Messages to other numbers whose values held the number and were blanked."""
    kept: int
    """Messages to other numbers that may still be sent and whose values hold the number."""
    sending: int
    """Messages to the number that a worker is sending at this moment."""


class NumberForgetting:
    """Deletes one number from Redis. Every call may be repeated; a repeated call finds only data that is left."""

    def __init__(self, redis: Redis, number: str) -> None:
        self._redis = redis
        self._number = number
        self._words = spellings(number)
        self._queries = LaneQueries(redis)
        self._forget = Script(redis, "forget_messages")
        self._remove_copies = Script(redis, "remove_copies")

    async def batches(self, *, damaged: list[CampaignDamaged]) -> AsyncIterator[tuple[CampaignView, int]]:
        """Yield all batches in Redis that hold the number, in recipients or in values; this reads all recipients."""
        for view in await self._queries.campaigns(damaged=damaged):
            for first in range(0, view.batches, _AT_ONCE):
                numbers = range(first, min(first + _AT_ONCE, view.batches))
                keys = [batch_key(view.plan.sender, view.id, BatchKey.RECIPIENTS, number) for number in numbers]
                replies = cast("list[bytes | None]", await self._redis.mget(keys))
                for number, packed in zip(numbers, replies, strict=True):
                    if packed and any(holds_number(packed, word) for word in self._words):
                        yield view, number

    async def is_any_submitting(self) -> bool:
        """Say whether a campaign is being submitted, so that a batch may be stored after the search."""
        return any(view.state is CampaignState.SUBMITTING for view in await self._queries.campaigns(damaged=[]))

    async def read(self, view: CampaignView, batch_number: int) -> list[MessageView]:
        """Return the messages of a batch that go to the number; raise ``CampaignDamaged``."""
        return [message async for message in self._queries.batch(view, batch_number) if message.to == self._number]

    async def forget_batch(self, view: CampaignView, batch_number: int) -> ForgottenBatch:
        """Delete the number from one batch, and end messages that may not be sent; raise ``CampaignDamaged``."""
        sender, keys = view.plan.sender, (BatchKey.RECIPIENTS, BatchKey.MESSAGES)
        for _ in range(_TRIES):
            packed, records = cast(
                "list[bytes | None]",
                await self._redis.mget([batch_key(sender, view.id, kind, batch_number) for kind in keys]),
            )
            try:
                recipients = unpack_recipients(packed or b"")
                states = [
                    record.state
                    for record in read_records(
                        records or b"", len(recipients.to), without_records=view.state_without_records(batch_number)
                    )
                ]
            except ValueError as error:
                raise CampaignDamaged(view.id, sender, f"batch {batch_number + 1} cannot be read") from error
            messages = await self.read(view, batch_number)
            own = [index for index, to in enumerate(recipients.to) if to == self._number]
            quoting = [index for index in self._indexes_with_number_in_values(recipients) if index not in own]
            open_states = UNSENT | AWAITING_REPORT
            closed = [index for index in quoting if states[index] not in open_states]
            changed = _without_values(without_data(recipients, own), closed)
            reply = await self._forget(
                sender,
                campaign=view.id,
                batch_number=batch_number,
                digest=sha1(packed or b"", usedforsecurity=False).hexdigest(),
                recipients=pack_recipients(changed),
                fingerprints=number_fingerprints(changed.to),
                code=Suppression.FORGOTTEN.value,
                indexes=packed_indexes(own),
                blanked=packed_indexes(closed),
            )
            if not reply["is_changed"]:
                return ForgottenBatch(view, messages, len(closed), len(quoting) - len(closed), reply["sending"])
        raise CampaignDamaged(view.id, sender, f"batch {batch_number + 1} is changed by other processes at each try")

    async def forget_index_entries(self, rule: DeadNumberRule) -> int:
        """Delete the number from the ledger's records about numbers; return how many entries were deleted."""
        removed = int(await DeadNumbers(self._redis, rule).remove(self._number))
        for sender in await self._queries.senders():
            pattern = f"{sender_key(sender, SenderKey.RECENT_PHONES)}:*:{self._number[:_CUT]}"
            async for key in self._redis.scan_iter(match=pattern, count=_PAGE):
                removed += int(await self._redis.hdel(key, self._number[_CUT:]))
        for node in await _nodes(self._redis):
            async for key in node.scan_iter(match=f"{TEST_SENDS}:*:number", count=_PAGE):
                if text(await self._redis.get(key) or b"") == self._number:
                    removed += int(await self._redis.delete(key))
        return removed + await self._forget_samples() + await self._forget_forwarded()

    async def _forget_forwarded(self) -> int:
        """Delete events that wait to be forwarded and hold the number, until a search finds no event.

        Events leave a lane during a search, so other events change their positions, and a search may miss them.
        """
        removed = 0
        while number := await self._forget_forwarded_once():
            removed += number
        return removed

    async def _forget_forwarded_once(self) -> int:
        words, removed = [word.encode() for word in self._words], 0
        for lane, key in enumerate(lane_keys()):
            first = 0
            while members := cast("list[bytes]", await self._redis.zrange(key, first, first + _PAGE - 1)):
                matches = [member for member in members if any(word in member for word in words)]
                copies = [{"lane": lane, "member": member} for member in matches]
                if copies:
                    reply = await self._remove_copies(
                        FORWARD, count=ForwardCount.FORGOTTEN.value, lanes=LANES, before_ms=0, max_old=0, copies=copies
                    )
                    removed += int(reply["removed"])
                first += len(members) - len(matches)
        return removed

    async def _forget_samples(self) -> int:
        """Delete the samples that hold the hash of the number; a submit needs samples only to ask a question."""
        sample, removed = NumberSample(), 0
        sample.add([self._number])
        [hashed] = sample.hashes()
        for sender in await self._queries.senders():
            pattern = campaign_key(sender, CampaignId(f"*:{CampaignKey.NUMBER_SAMPLE}"))
            async for key in self._redis.scan_iter(match=pattern, count=_PAGE):
                kept = unpacked_sample(cast("bytes", await self._redis.get(key) or b""))
                if kept is None or hashed in kept.hashes():
                    removed += int(await self._redis.delete(key))
        return removed

    def _indexes_with_number_in_values(self, recipients: Recipients) -> list[int]:
        """Return the indexes of messages whose values hold the number."""
        columns = [*recipients.slots, *recipients.custom.values(), *recipients.link_values]
        return sorted(
            {
                index
                for column in columns
                for index, value in enumerate(column)
                if any(word in value for word in self._words)
            }
        )


async def _nodes(redis: Redis) -> list[Redis]:
    """Return the clients of all nodes that hold keys: all primaries of a cluster, or the single Redis."""
    return list((await redis.primaries()).values()) if isinstance(redis, ClusterRedis) else [redis]


def spellings(number: str) -> tuple[str, ...]:
    """Return the forms of a number in texts: with its country code, and for India also without the country code."""
    is_indian = number.startswith("91") and len(number) == _NATIONAL_DIGITS + 2
    return (number[-_NATIONAL_DIGITS:],) if is_indian else (number,)


def _without_values(recipients: Recipients, indexes: Sequence[int]) -> Recipients:
    """Return recipients without the values of some messages; their numbers stay."""
    if not indexes:
        return recipients
    blanked = without_data(recipients, indexes)
    return msgspec.structs.replace(blanked, to=recipients.to)
