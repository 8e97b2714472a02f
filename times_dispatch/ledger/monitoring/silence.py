"""Silence: delivery reports of a sender and a provider are missing, compared with their own history.

Every few seconds a worker compares how many messages of today were sent, and how many have a report. If no report came
since some time, although enough messages have waited for longer than usual, the provider is *silent*. Without enough
history, no provider counts as silent.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import SenderKey, sender_key
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.protocol import Status
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.statistics.usual import DeliveryCounts
from times_dispatch.ledger.trail import PROGRAM, TrailAction, packed_entry

MIN_REPORTED: Final = 1_000
"""How many messages with a report the days before today need, so that there is enough history."""
MIN_DAYS: Final = 3
"""How many days with messages there must be, so that there is enough history."""
MIN_SHARE: Final = 0.3
"""The share of messages with a report, below which missing reports prove nothing: some gateways report little."""
MAX_WAIT_S: Final = 6 * 3600.0
"""Seconds; if reports usually take longer, missing reports would be noticed too late."""
MIN_EXPECTED: Final = 20.0
"""How many reports must be overdue, because a few reports may be missing by chance."""
_PERCENT: Final = 95
_TIMES_USUAL: Final = 3.0
"""A report is missing after this many times the time within which 95 % of reports usually come."""
_MAX_SAMPLES: Final = 60


class UsualReports(msgspec.Struct, frozen=True, kw_only=True):
    """The usual reports of a sender and a provider."""

    wait_s: float
    """The time in seconds after which a missing report is unusual."""
    share: float
    """The share of messages that get a report."""
    within_s: float
    """The time in seconds within which 95 % of the delivered messages are reported."""


class SentSample(NamedTuple):
    """How many messages of today had been sent at one moment."""

    at_ms: int
    sent: int


class SilenceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of the reports of a sender and a provider on one day; times are epoch milliseconds by Redis' clock."""

    day: int
    """The day, in India, as its ordinal; the samples begin anew each day."""
    samples: list[SentSample]
    """The samples, the oldest first; the first is from the last time when a report came or none was expected."""
    reported: int
    """Messages of the day that had a report when the last sample was taken."""
    held_day: int = 0
    """The day on which promotional messages began to be held back; 0 if they are not held back."""
    held_reported: int = 0
    """Messages of ``held_day`` that had a report when they began to be held back."""


def usual_reports(counts: DeliveryCounts, *, min_wait_s: float) -> UsualReports | None:
    """Return the usual reports; None if there is too little history, or if reports are too few or too slow.

    Args:
        counts: the messages of the days before today.
        min_wait_s: the shortest time, in seconds, after which a report can be missing.
    """
    within_s = counts.delivery_times.percentile_s(_PERCENT)
    if counts.reported < MIN_REPORTED or counts.days < MIN_DAYS or counts.reported_share < MIN_SHARE or not within_s:
        return None
    wait_s = max(min_wait_s, _TIMES_USUAL * within_s)
    return UsualReports(wait_s=wait_s, share=counts.reported_share, within_s=within_s) if wait_s <= MAX_WAIT_S else None


def begin(day: date, counts: DeliveryCounts, *, now_ms: int) -> SilenceRecord:
    """Return a record that begins now."""
    return SilenceRecord(day=day.toordinal(), samples=[SentSample(now_ms, counts.sent)], reported=counts.reported)


def watched(
    record: SilenceRecord | None, day: date, counts: DeliveryCounts, *, wait_s: float, now_ms: int, reports_wait: bool
) -> SilenceRecord:
    """Return the record after a check of the messages of today.

    Args:
        record: the record before the check; None at the first check.
        day: today, in India.
        counts: the messages that were pushed today.
        wait_s: after how many seconds a missing report is unusual.
        now_ms: the time, in epoch milliseconds by Redis' clock.
        reports_wait: whether posted reports wait for a reconciler; then reports come, but are not counted yet.
    """
    is_new_day = record is None or record.day != day.toordinal()
    # The clock was set back, or a restored backup set the counters back.
    is_set_back = record and (record.samples[-1].at_ms > now_ms or record.samples[-1].sent > counts.sent)
    if record is None or is_new_day or is_set_back or reports_wait or counts.reported > record.reported:
        begun = begin(day, counts, now_ms=now_ms)
        if record is None:
            return begun
        return msgspec.structs.replace(begun, held_day=record.held_day, held_reported=record.held_reported)
    sample, samples = SentSample(now_ms, counts.sent), record.samples
    # The distance is so short that more than half of all samples are always within the last wait.
    apart_ms = max(1.0, wait_s * 2_000 / _MAX_SAMPLES)
    if len(samples) > 1 and now_ms - samples[-2].at_ms < apart_ms:
        samples = samples[:-1]
    samples = [*samples, sample]
    if len(samples) > _MAX_SAMPLES:
        samples = [samples[0], *samples[2:]]
    return msgspec.structs.replace(record, samples=samples, reported=counts.reported)


def missing_reports(record: SilenceRecord, usual: UsualReports, *, now_ms: int) -> int:
    """Return how many messages have waited unusually long for a report since the last report; 0 if they are few."""
    due_ms = now_ms - usual.wait_s * 1000
    sent_by_then = [sample.sent for sample in record.samples if sample.at_ms <= due_ms]
    due = sent_by_then[-1] - record.samples[0].sent if sent_by_then else 0
    return due if due * usual.share * _PERCENT / 100 >= MIN_EXPECTED else 0


class SilenceStore:
    """Reads and writes the records, and holds promotional messages back."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._set_silence = Script(redis, "set_silence")

    async def may_look(self, sender: SenderId, *, every_s: float) -> bool:
        """Say whether no worker has checked a sender in the last *every_s* seconds; then the caller checks it."""
        key = sender_key(sender, SenderKey.SILENCE_LOOKED)
        return bool(await self._redis.set(key, "1", nx=True, px=max(1, int(every_s * 1000))))

    async def read(self, sender: SenderId) -> dict[str, SilenceRecord]:
        """Return the records by provider; a record of another version is left out."""
        reply: Any = await self._redis.hgetall(sender_key(sender, SenderKey.SILENCE))
        records = dict[str, SilenceRecord]()
        for provider, value in reply.items():
            try:
                records[text(provider)] = msgspec.json.decode(value, type=SilenceRecord)
            except msgspec.MsgspecError:
                continue
        return records

    async def write(self, sender: SenderId, records: dict[str, SilenceRecord]) -> None:
        """Write records, by provider."""
        values: Any = {provider: msgspec.json.encode(record) for provider, record in records.items()}
        if values:
            await self._redis.hset(sender_key(sender, SenderKey.SILENCE), mapping=values)

    async def forget(self, sender: SenderId, providers: Sequence[str]) -> None:
        """Delete the records of some providers."""
        if providers:
            await self._redis.hdel(sender_key(sender, SenderKey.SILENCE), *providers)

    async def hold(self, sender: SenderId, provider: str, reason: str, *, wait_s: float) -> bool:
        """Hold promotional messages back from a provider; return False if they are held back already.

        Args:
            sender: the sender.
            provider: the nickname of the provider.
            reason: which reports are missing, for people.
            wait_s: the time until the first probe, in seconds; each later wait is twice as long.
        """
        entry = packed_entry(PROGRAM, TrailAction.SILENCE_BEGAN, detail=f"{provider}: {reason}")
        reply = await self._set_silence(
            sender, provider=provider, reason=reason, wait_ms=int(wait_s * 1000), trail=entry
        )
        return text(reply["status"]) == Status.CHANGED

    async def release(self, sender: SenderId, provider: str, why: str) -> bool:
        """End the holding back of promotional messages; return False if they were not held back."""
        entry = packed_entry(PROGRAM, TrailAction.SILENCE_ENDED, detail=f"{provider}: {why}")
        reply = await self._set_silence(sender, provider=provider, reason="", wait_ms=0, trail=entry)
        return text(reply["status"]) == Status.CHANGED
