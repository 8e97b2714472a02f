"""The silence brake: holds promotional messages back while delivery reports are missing, and lets them go on."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import is_transient
from times_dispatch.ledger.keys import SenderKey, sender_key
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.monitoring.silence import (
    SilenceRecord,
    SilenceStore,
    UsualReports,
    begin,
    missing_reports,
    usual_reports,
    watched,
)
from times_dispatch.ledger.queries import LaneQueries
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.reports.report_backlog import FRESH_S, read_backlog
from times_dispatch.ledger.statistics.usual import DeliveryCounts, read_delivery_counts
from times_dispatch.plurals import counted
from times_dispatch.settings.values.durations import format_duration
from times_dispatch.sms.rules.send_window import INDIA_ZONE

log = structlog.get_logger(__name__)

EVERY_S: Final = 10.0
"""Seconds from one look at a sender to the next, over all workers."""
_USUAL_DAYS: Final = 14
_USUAL_EVERY_MS: Final = 3_600_000
_INDIA: Final = ZoneInfo(INDIA_ZONE)
_NOTHING: Final = DeliveryCounts()


class _Usual(NamedTuple):
    day: date
    read_ms: int
    by_provider: dict[str, DeliveryCounts]


class SilenceWatch:
    """Looks at the delivery reports of senders, as a step of upkeep."""

    def __init__(
        self,
        redis: Redis,
        brakes: Mapping[SenderId, bool],
        *,
        min_wait_s: float,
        every_s: float = EVERY_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make the watch of a process.

        Args:
            redis: the ledger.
            brakes: whether the silence brake of a sender is on; senders that are not in the settings have none.
            min_wait_s: reports are missed after this many seconds at the earliest.
            every_s: seconds from one look at a sender to the next.
            clock: the clock of this host.
        """
        self._redis = redis
        self._brakes = brakes
        self._min_wait_s = min_wait_s
        self._every_s = every_s
        self._store = SilenceStore(redis)
        self._queries = LaneQueries(redis)
        self._clock = RedisClock(redis)
        self._clock_of_host = clock
        self._next_s = dict[SenderId, float]()
        self._usual: dict[SenderId, _Usual] = {}

    async def round(self, senders: Iterable[SenderId]) -> None:
        """Look at each sender at which no worker has looked for a while. Raises Redis errors."""
        now_s = self._clock_of_host.monotonic()
        for sender in senders:
            # Only every few seconds this process asks whether another worker has looked.
            if header_of(sender) not in self._brakes or now_s < self._next_s.get(sender, now_s):
                continue
            self._next_s[sender] = now_s + self._every_s
            if await self._store.may_look(sender, every_s=self._every_s):
                try:
                    await self._look(sender)
                except (ResponseError, ValueError) as error:
                    if is_transient(error):
                        raise
                    log.error("damaged in the ledger", sender=sender, doing="watched for reports", error=str(error))

    async def _look(self, sender: SenderId) -> None:
        held = {
            provider.provider
            for provider in (await self._queries.sender(sender)).unavailable
            if provider.silent_since_ms
        }
        if not self._brakes[header_of(sender)]:
            for provider in held:
                await self._release(sender, provider, "the silence brake is off")
            return
        if not held and not await self._redis.scard(sender_key(sender, SenderKey.LIVE)):
            return
        now_ms = await self._clock.now_ms()
        today = datetime.fromtimestamp(now_ms / 1000, _INDIA).date()
        reports_wait = (await read_backlog(self._redis)).oldest_s > FRESH_S
        records, usual = await self._store.read(sender), await self._usual_of(sender, today, now_ms)
        counts = await self._counts(sender, {today})
        after = dict[str, SilenceRecord]()
        for provider in sorted({*counts, *held}):
            of_provider = usual_reports(usual.get(provider, _NOTHING), min_wait_s=self._min_wait_s)
            record, of_today = records.get(provider), counts.get(provider, _NOTHING)
            if record and record.held_day and provider not in held:
                # A person resumed the sender: pushes and reports before the resume do not count.
                record = begin(today, of_today, now_ms=now_ms)
            record = watched(
                record,
                today,
                of_today,
                wait_s=of_provider.wait_s if of_provider else self._min_wait_s,
                now_ms=now_ms,
                reports_wait=reports_wait,
            )
            if provider in held:
                after[provider] = await self._end_if_reports_come(sender, provider, record, today)
            elif of_provider:
                after[provider] = await self._hold_if_silent(sender, provider, record, of_provider, now_ms)
            else:
                after[provider] = record
        await self._store.write(sender, after)

    async def _hold_if_silent(
        self, sender: SenderId, provider: str, record: SilenceRecord, usual: UsualReports, now_ms: int
    ) -> SilenceRecord:
        """Hold a sender's promotional messages back if reports are missing; return the record with the hold.

        Args:
            sender: the sender.
            provider: the nickname of the provider.
            record: what was counted of the sender at the provider.
            usual: how soon reports usually come.
            now_ms: the present, in epoch milliseconds.
        """
        missing = missing_reports(record, usual, now_ms=now_ms)
        if not missing:
            return record
        silent_s = (now_ms - record.samples[0].at_ms) / 1000
        reason = (
            f"no delivery report for {format_duration(silent_s)}, "
            f"though {counted(missing, 'message')} should have one; "
            f"usually 95 % have one within {format_duration(usual.within_s)}; one message is tried from time to time"
        )
        if await self._store.hold(sender, provider, reason, wait_s=usual.wait_s):
            log.warning("promotional messages are held back", sender=sender, provider=provider, reason=reason)
        return msgspec.structs.replace(record, held_day=record.day, held_reported=record.reported)

    async def _end_if_reports_come(
        self, sender: SenderId, provider: str, record: SilenceRecord, today: date
    ) -> SilenceRecord:
        """Release promotional messages if a report came after the hold began, for a message of that day or of today."""
        days = {date.fromordinal(day) for day in (record.held_day, today.toordinal()) if day}
        counts = (await self._counts(sender, days)).get(provider, _NOTHING)
        if counts.reported <= record.held_reported:
            return record
        await self._release(sender, provider, "delivery reports come again")
        return msgspec.structs.replace(record, held_day=0, held_reported=0)

    async def _release(self, sender: SenderId, provider: str, why: str) -> None:
        if await self._store.release(sender, provider, why):
            log.info("promotional messages go on", sender=sender, provider=provider, reason=why)

    async def _counts(self, sender: SenderId, days: set[date]) -> dict[str, DeliveryCounts]:
        """Return the sums of the counts of some days, by provider."""
        totals = dict[str, DeliveryCounts]()
        for day in days:
            of_day = await read_delivery_counts(self._redis, senders=[sender], since=day, until=day)
            for (_, provider), counts in of_day.items():
                before = totals.get(provider, _NOTHING)
                totals[provider] = DeliveryCounts(
                    sent=before.sent + counts.sent,
                    delivered=before.delivered + counts.delivered,
                    failed=before.failed + counts.failed,
                )
        return totals

    async def _usual_of(self, sender: SenderId, today: date, now_ms: int) -> dict[str, DeliveryCounts]:
        known = self._usual.get(sender)
        if not known or known.day != today or not 0 <= now_ms - known.read_ms < _USUAL_EVERY_MS:
            since, until = today - timedelta(days=_USUAL_DAYS), today - timedelta(days=1)
            counts = await read_delivery_counts(self._redis, senders=[sender], since=since, until=until)
            known = _Usual(today, now_ms, {provider: of_provider for (_, provider), of_provider in counts.items()})
            self._usual[sender] = known
        return known.by_provider
