"""Recounts the statistics from the records of all messages, and reports differences from the counters.

A recount reads every record. If messages of a campaign change their state during the recount, the campaign cannot be
compared, and this does not count as a difference.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import (
    BatchKey,
    CampaignField,
    CampaignKey,
    StatisticsField,
    batch_key,
    campaign_key,
    statistics_key,
)
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.queries import LaneQueries
from times_dispatch.ledger.records import MessageRecord, read_records
from times_dispatch.ledger.states import SENT, UNSENT, MessageState
from times_dispatch.ledger.statistics.attempts import tries_before, unpack_attempts
from times_dispatch.ledger.statistics.delivery_times import bucket_of
from times_dispatch.ledger.statistics.figures import ERROR_STATES, Amounts
from times_dispatch.ledger.statistics.rollups import KEPT_DAYS, RollupFilter, RollupKey, StatisticsReader, day_of

_INDIA_OFFSET_MS: Final = 19_800_000
_HOUR_MS: Final = 3_600_000
_TRIES: Final = 3
_BATCHES_AT_ONCE: Final = 20
"""How many batches one round trip reads; with 1,000 messages each, these batches have half a megabyte."""
_HAS_CODE: Final = {*ERROR_STATES, MessageState.IN_DOUBT, MessageState.SUPPRESSED}
_NOT_IN_RECORDS: Final = (
    StatisticsField.CLICKED,
    StatisticsField.CLICKERS,
    StatisticsField.REPLIED,
    StatisticsField.OPTED_OUT,
    StatisticsField.LINK,
    StatisticsField.LINK_FETCH,
    StatisticsField.REFUSED,
)
"""The beginnings of fields that no record has: for these, rollups are compared with the campaigns' own counters."""
_BITS: Final = {StatisticsField.CLICKERS: CampaignKey.CLICKERS, StatisticsField.OPTED_OUT: CampaignKey.UNSUBSCRIBERS}
"""Fields that count messages with a bit beside their records, and the bitmaps, in campaigns that are not archived."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A counter that differs from the records."""

    where: str
    """The campaign, or the rollup."""
    field: str
    counted: int
    recounted: int


class Recounted(msgspec.Struct, kw_only=True):
    """The result of a recount."""

    campaigns: int = 0
    messages: int = 0
    moving: list[str] = []
    """Campaigns whose messages changed during the recount."""
    differences: list[Difference] = []


class CountedMessage(NamedTuple):
    """The data of one message for a recount."""

    record: MessageRecord
    parts: int
    attempts: bytes
    """The entries of the attempts of a message that was sent again (``CampaignKey.ATTEMPTS``)."""


class ArchivedMessages(NamedTuple):
    """A campaign whose messages are not in Redis, for a recount."""

    view: CampaignView
    price: int
    """The price of one SMS part, millionths of a rupee."""
    counted: Amounts
    """The statistics of the campaign."""
    messages: AsyncIterator[Sequence[CountedMessage]]


async def _nothing_archived() -> AsyncIterator[ArchivedMessages]:
    """Yield no campaign, because no campaign is archived."""
    for campaign in list[ArchivedMessages]():
        yield campaign


class _Totals:
    """Adds up the records of one campaign, for the campaign and for its rollups."""

    def __init__(self, view: CampaignView, price: int) -> None:
        self._view, self._price = view, price
        self.of_campaign = Counter[str]()
        self.of_rollups = defaultdict[tuple[int, int], Counter[str]](Counter)
        """By the day since the epoch and the index of the provider."""

    def add(self, record: MessageRecord, parts: int, attempts: bytes) -> None:
        """Count a message, with its SMS parts and the entries of its attempts."""
        known = unpack_attempts(attempts) if attempts else []
        for attempt in known:
            if attempt.is_proved:
                rollup = attempt.day, attempt.chain_index
                self._put_parts(StatisticsField.PARTS, parts, rollup)
                if tries := tries_before(known, attempt.number):
                    self._put(f"{StatisticsField.RETRIED}{tries}", 1, rollup)
        state = record.state
        if state in UNSENT:
            return
        at_ms = self._view.created_ms + record.sent_ms
        hour = (at_ms + _INDIA_OFFSET_MS) // _HOUR_MS
        rollup = hour // 24, record.chain_index
        self._put(state.value, 1, rollup)
        if state in _HAS_CODE:
            self._put(f"{state.value}{StatisticsField.CODE}{record.code}", 1, rollup)
        if state is MessageState.DELIVERED:
            bucket = bucket_of(record.reported_s * 1000 - at_ms)
            self._put(f"{StatisticsField.DELIVERY_TIME}{bucket}", 1, rollup)
            if tries := tries_before(known, record.attempt):
                self._put(f"{StatisticsField.RECOVERED}{tries}", 1, rollup)
            self._put_course("d", hour, rollup)
        if state in SENT:
            self._put_course("s", hour, rollup)
            if not attempts:
                self._put_parts(StatisticsField.PARTS, parts, rollup)
        if state in ERROR_STATES:
            self._put_course("e", hour, rollup)
        if state is MessageState.SUPPRESSED:
            self._put_parts(f"{StatisticsField.KEPT_PARTS}{record.code}", parts, rollup)

    def _put(self, field: str, amount: int, rollup: tuple[int, int]) -> None:
        self.of_campaign[field] += amount
        self.of_rollups[rollup][field] += amount

    def _put_course(self, letter: str, hour: int, rollup: tuple[int, int]) -> None:
        self.of_campaign[f"{StatisticsField.COURSE}{hour}{letter}"] += 1
        self.of_rollups[rollup][f"{StatisticsField.COURSE}{hour % 24}{letter}"] += 1

    def _put_parts(self, field: str, parts: int, rollup: tuple[int, int]) -> None:
        self._put(field, parts, rollup)
        if field != StatisticsField.PARTS:
            if self._price:
                reason = field.removeprefix(StatisticsField.KEPT_PARTS)
                self._put(StatisticsField.KEPT_COST + reason, parts * self._price, rollup)
        elif self._price:
            self._put(StatisticsField.COST, parts * self._price, rollup)
        else:
            self._put(StatisticsField.UNPRICED, parts, rollup)

    def add_unrecorded(self, counted: Amounts) -> None:
        """Copy counters that no record has from the campaign's own counters, on the day of the campaign's creation.

        Clicks, replies and opt-outs count on the days of their messages, so only their sums over all rollups can be
        compared; refused rows count on the day of the creation.
        """
        day = (self._view.created_ms + _INDIA_OFFSET_MS) // (24 * _HOUR_MS)
        for field, amount in counted.items():
            reason = field.partition(":")[2]
            is_refusal = f"{StatisticsField.REFUSED}{reason}" in counted and not reason.isdecimal() and reason != ""
            if field.startswith(_NOT_IN_RECORDS) or is_refusal:
                self.of_campaign[field] += amount
                if is_refusal:
                    self.of_rollups[day, 0][field] += amount


class Recount:
    """Compares the counters of all campaigns and all rollups with the records."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reader = StatisticsReader(redis)

    async def all(
        self, archived: AsyncIterator[ArchivedMessages] | None = None, *, first_day: date | None = None
    ) -> Recounted:
        """Recount all campaigns; rollups are compared if no message changed meanwhile.

        Args:
            archived: the campaigns that are not in Redis.
            first_day: rollups of earlier days are not compared, because messages of these days are erased; None
                compares all rollups.
        """
        result = Recounted()
        expected = defaultdict[RollupKey, Counter[str]](Counter)
        for view in await LaneQueries(self._redis).campaigns(damaged=[]):
            totals = await self._campaign(view, result)
            if totals is None:
                result.moving.append(view.id)
                continue
            for (day, chain_index), amounts in totals.of_rollups.items():
                expected[_rollup_key(view, day, chain_index)].update(amounts)
        async for campaign in archived or _nothing_archived():
            for (day, chain_index), amounts in (await _recount_archived(campaign, result)).of_rollups.items():
                expected[_rollup_key(campaign.view, day, chain_index)].update(amounts)
        if not result.moving:
            await self._compare_rollups(expected, result, first_day or date.min)
        return result

    async def _campaign(self, view: CampaignView, result: Recounted) -> _Totals | None:
        """Recount one campaign; return None if its messages changed during the recount."""
        key = campaign_key(view.plan.sender, view.id)
        for _ in range(_TRIES):
            before = await self._read_counters(view)
            fields, counted, by_bits = before
            price = int(fields.get(CampaignField.PRICE, 0))
            totals = _Totals(view, price)
            messages = await self._add_records(view, fields, key, totals)
            if await self._read_counters(view) != before:
                continue
            totals.add_unrecorded(counted)
            totals.of_campaign.update({field: by_bits[field] - counted.get(field, 0) for field in by_bits})
            is_first_lane = view.plan.lane_campaigns[:1] in ([], [view.id])
            result.campaigns, result.messages = result.campaigns + is_first_lane, result.messages + messages
            _note_differences(result, f"campaign {view.id}", counted, totals.of_campaign)
            return totals
        return None

    async def _read_counters(self, view: CampaignView) -> tuple[dict[str, str], Amounts, Amounts]:
        """Return the campaign's hash, its statistics, and the statistics that the bits of its messages count."""
        key = campaign_key(view.plan.sender, view.id)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(key)
            pipe.hgetall(statistics_key(view.plan.sender, view.id))
            for bits in _BITS.values():
                pipe.get(f"{key}:{bits}")
            pipe.exists(f"{key}:{CampaignKey.OPTED_OUT}")
            fields, statistics, *bitmaps, has_digests = await pipe.execute()
        by_bits = dict[str, int]()
        for field, bits in zip(_BITS, bitmaps, strict=True):
            by_bits[field] = int.from_bytes(bits or b"").bit_count()
        if has_digests:  # an earlier version counted opt-outs of the campaign without writing bits
            del by_bits[StatisticsField.OPTED_OUT]
        return (
            {name.decode(): value.decode() for name, value in fields.items()},
            {name.decode(): int(value) for name, value in statistics.items()},
            by_bits,
        )

    async def _add_records(self, view: CampaignView, fields: Mapping[str, str], key: str, totals: _Totals) -> int:
        size, total = int(fields[CampaignField.BATCH_SIZE]), int(fields[CampaignField.TOTAL])
        stored: Any = await self._redis.hgetall(f"{key}:{CampaignKey.ATTEMPTS}")
        attempts = {int(index): entries for index, entries in stored.items()}
        unopened = fields.get(CampaignField.UNOPENED_STATE, MessageState.PENDING.value)
        unopened_before = int(fields.get(CampaignField.UNOPENED_BEFORE, 0))
        batches, kinds = int(fields[CampaignField.BATCHES]), (BatchKey.MESSAGES, BatchKey.PARTS)
        for begin in range(0, batches, _BATCHES_AT_ONCE):
            numbers = range(begin, min(begin + _BATCHES_AT_ONCE, batches))
            keys = [batch_key(view.plan.sender, view.id, kind, number) for number in numbers for kind in kinds]
            stored_batches = cast("list[bytes | None]", await self._redis.mget(keys))
            for number, records, parts in zip(numbers, stored_batches[::2], stored_batches[1::2], strict=True):
                count = min(size, total - number * size)
                without_records = MessageState(unopened if number < unopened_before else MessageState.PENDING.value)
                for record in read_records(records or b"", count, without_records=without_records):
                    entries = attempts.get(number * size + record.index, b"")
                    totals.add(record, parts[record.index] if parts else 1, entries)
        return total

    async def _compare_rollups(
        self, expected: Mapping[RollupKey, Counter[str]], result: Recounted, first_day: date
    ) -> None:
        seen = set[RollupKey]()
        seconds, _ = await self._redis.time()
        oldest = datetime.fromtimestamp(seconds, UTC).date() - timedelta(days=KEPT_DAYS)
        async for key, counted in self._reader.rollups(RollupFilter()):
            seen.add(key)
            if key.day < first_day:
                continue
            comparable = {field: amount for field, amount in counted.items() if not _is_reaction(field)}
            _note_differences(result, _where(key), comparable, expected.get(key, Counter()))
        for key, amounts in expected.items():
            if key not in seen and key.day > oldest and key.day >= first_day:
                _note_differences(result, _where(key), {}, amounts)


def _rollup_key(view: CampaignView, day: int, chain_index: int) -> RollupKey:
    chain = view.plan.chain
    provider = chain[chain_index] if chain_index < len(chain) else chain[0]
    return RollupKey.of(day_of(day), view.plan.sender, provider, view.plan.template)


async def rollups_of(campaign: ArchivedMessages) -> tuple[dict[RollupKey, Counter[str]], list[Difference]]:
    """Return the amounts of one archived campaign for the rollups, and how its rows differ from its counters.

    The rows do not have the days of clicks, replies and opt-outs, so these count on the day of the campaign's creation.
    """
    result = Recounted()
    totals = await _recount_archived(campaign, result)
    rollups = defaultdict[RollupKey, Counter[str]](Counter)
    for (day, chain_index), amounts in totals.of_rollups.items():
        rollups[_rollup_key(campaign.view, day, chain_index)].update(amounts)
    reactions = {field: amount for field, amount in campaign.counted.items() if _is_reaction(field)}
    for key, amounts in rollups_without_messages(campaign.view, reactions).items():
        rollups[key].update(amounts)
    return rollups, result.differences


def rollups_without_messages(view: CampaignView, counted: Amounts) -> dict[RollupKey, Counter[str]]:
    """Return the amounts that the statistics of a campaign add to the rollups, on the day of its creation.

    Only the course of the campaign has other days. This function is for campaigns whose messages cannot be read any
    more.
    """
    created = (view.created_ms + _INDIA_OFFSET_MS) // (24 * _HOUR_MS)
    rollups = defaultdict[RollupKey, Counter[str]](Counter)
    for field, amount in counted.items():
        course = field.removeprefix(StatisticsField.COURSE)
        if course != field and course[:-1].isdecimal():
            day, hour = divmod(int(course[:-1]), 24)
            rollups[_rollup_key(view, day, 0)][f"{StatisticsField.COURSE}{hour}{course[-1]}"] += amount
        else:
            rollups[_rollup_key(view, created, 0)][field] += amount
    return rollups


async def _recount_archived(campaign: ArchivedMessages, result: Recounted) -> _Totals:
    """Recount one archived campaign, which no longer changes."""
    totals = _Totals(campaign.view, campaign.price)
    async for messages in campaign.messages:
        for message in messages:
            totals.add(message.record, message.parts, message.attempts)
        result.messages += len(messages)
    totals.add_unrecorded(campaign.counted)
    result.campaigns += campaign.view.plan.lane_campaigns[:1] in ([], [campaign.view.id])
    _note_differences(result, f"campaign {campaign.view.id}", campaign.counted, totals.of_campaign)
    return totals


def _is_reaction(field: str) -> bool:
    """Say whether a field of a rollup counts clicks, replies or opt-outs, which belong to no record."""
    is_course_of_clicks = field.startswith(StatisticsField.COURSE) and field.endswith("c")
    return is_course_of_clicks or field.startswith(_NOT_IN_RECORDS[:-1])


def _where(key: RollupKey) -> str:
    return f"{key.day:%Y-%m-%d} {key.sender} {key.provider} {key.template}"


def _note_differences(result: Recounted, where: str, counted: Amounts, recounted: Mapping[str, int]) -> None:
    for field in sorted({*counted, *recounted}):
        was, is_ = counted.get(field, 0), recounted.get(field, 0)
        is_course_of_clicks = field.startswith(StatisticsField.COURSE) and field.endswith("c")
        if was != is_ and not is_course_of_clicks:
            result.differences.append(Difference(where=where, field=field, counted=was, recounted=is_))
