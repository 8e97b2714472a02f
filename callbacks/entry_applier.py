"""Applies entries of the stream ``reports``: to the ledger, the opt-outs, the relay or the dead letters."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from callbacks.classifier import ClassifiedReports, ReportClassifier
from callbacks.dead_letters import DeadLetter, DeadLetterLimits, DeadLetterReason, DeadLetters
from callbacks.relay.foreign_relay import enqueue
from callbacks.relay.forward_queue import ForwardedEvent, ForwardLimits, ForwardQueue
from callbacks.relay.forward_rows import ForwardRows
from callbacks.retry_loop import Failed, attempt
from callbacks.stream_reader import Entry
from callbacks.streams import DEFAULT_STREAM_LIMITS, RELAY, MeasuredStream, StreamLimits, posted_bodies
from times_dispatch.ledger.connection import RedisUnavailable, check
from times_dispatch.ledger.errors import is_transient
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.reports.late_stops import LateStops
from times_dispatch.ledger.reports.posted_requests import unpack_requests
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier, ReportEffect
from times_dispatch.ledger.reports.test_sends import SendTestReports
from times_dispatch.log_sums import LogSums
from times_dispatch.provider.correlation_ids import bare_id
from times_dispatch.settings.logs import failure
from times_dispatch.settings.model import CallbackSettings

log = structlog.get_logger(__name__)

NO_DEAD_NUMBERS: Final = DeadNumberRule()
"""A rule without codes, by which no report makes a number a dead number."""
_MAX_LIGHT_ROWS: Final = 1_000
_MAX_LIGHT_BYTES: Final = 256 * 1024
"""Rows and bytes that are classified without a thread, within some milliseconds."""
_COPIES_AT_ONCE: Final = 2_000
"""Copies of reports that one call puts into the queue of forwarding, within some milliseconds."""

_REASONS: Final = {
    None: DeadLetterReason.NOT_APPLIED,
    ReportEffect.UNKNOWN: DeadLetterReason.UNKNOWN,
    ReportEffect.ARCHIVED: DeadLetterReason.ARCHIVED,
}
"""Why a report becomes a dead letter, by its effect."""
_WITHOUT_MESSAGE: Final = frozenset(_REASONS)
"""The effects of reports that were applied to no message in Redis; such reports become dead letters."""


@dataclass(frozen=True)
class AppliedEntries:
    """Entries whose reports were applied to the ledger, and whose side effects are still to be stored."""

    classified: ClassifiedReports
    results: Sequence[ReportEffect | None]
    """The effect of each of ``classified.reports``; None if the report could not be applied."""
    ends: Sequence[tuple[bytes, int]]
    """The id of each entry, and how many of ``classified.reports`` come from this entry and the entries before it."""
    via: bytes = b""
    """The relays of other ledgers through which all entries came, as in the header Via."""
    has_failures: bool = False
    """Whether some reports could not be applied, or some bodies could not be classified."""

    @property
    def stop_replies(self) -> list[int]:
        """Indexes in ``classified.reports`` of stop replies to messages that the ledger knows."""
        return [index for index in self.classified.stop_replies if self.results[index] not in _WITHOUT_MESSAGE]


@dataclass(frozen=True)
class Forwarding:
    """Copies of reports for another system: the writer of their rows, and the queue in which the copies wait."""

    rows: ForwardRows
    queue: ForwardQueue

    @classmethod
    def of(cls, redis: Redis, callbacks: CallbackSettings) -> "Forwarding | None":
        """Return the forwarding to the system in the settings; None if the settings name no system."""
        if not callbacks.forward_url:
            return None
        return cls(ForwardRows(callbacks.forward), ForwardQueue(redis, limits=ForwardLimits.of(callbacks)))


class EntryApplier:
    """Applies the reports of entries to the ledger, and then stores their side effects (``store_side_effects``).

    Both may be repeated for the same entries. Every method raises transient Redis errors.
    """

    def __init__(
        self,
        redis: Redis,
        report_applier: ReportApplier,
        classifier: ReportClassifier,
        id_key_guard: IdKeyGuard,
        *,
        streams: StreamLimits = DEFAULT_STREAM_LIMITS,
        dead_numbers: DeadNumberRule = NO_DEAD_NUMBERS,
        forwarding: Forwarding | None = None,
    ) -> None:
        """Make an applier.

        Args:
            redis: the Redis with the opt-outs, the relay's stream and the dead letters.
            report_applier: applies reports to the ledger.
            classifier: tells our reports from those of other systems.
            id_key_guard: checks whether this process has all the keys of our ids.
            streams: how many bytes the streams that the applier writes may take.
            dead_numbers: which failed reports mean that a number is dead.
            forwarding: the copies of reports that another system gets; None if no system gets any.
        """
        self._redis = redis
        self._forwarding = forwarding
        self._sums = LogSums(log)
        self._id_key_guard = id_key_guard
        self._report_applier = report_applier
        self._classifier = classifier
        self._streams = streams
        self._relay_stream = MeasuredStream(redis, RELAY)
        self._dead_letters = DeadLetters(redis, limits=DeadLetterLimits(max_bytes=streams.max_dead_letter_bytes))
        self._test_sends = SendTestReports(redis)
        self._opt_outs = OptOuts(redis)
        self._dead_numbers = DeadNumbers(redis, dead_numbers)

    async def apply_together(self, entries: Sequence[Entry]) -> AppliedEntries | None:
        """Apply the reports of entries that came through the same relays, in one call.

        Return None if the call fails because of the reports.
        """

        async def apply() -> AppliedEntries:
            bodies, requests, from_links, bodies_until = list[bytes](), list[bytes](), list[bool](), list[int]()
            for entry in entries:
                bodies += posted_bodies(entry.payload)
                requests += unpack_requests(entry.request, len(bodies) - len(requests))
                from_links += [entry.from_links] * (len(bodies) - len(from_links))
                bodies_until.append(len(bodies))
            classified = await self._classify(bodies, requests, from_links)
            ends = [0, *classified.ends]
            until = [(entry.id, ends[end]) for entry, end in zip(entries, bodies_until, strict=True)]
            results = await self._report_applier.apply(classified.reports)
            return AppliedEntries(classified, results, until, entries[0].via)

        outcome = await attempt(apply)
        if isinstance(outcome, Failed):
            await self._raise_unless_reports_are_at_fault(outcome.error)
            event = "reports could not be applied together; trying entry by entry"
            log.error(event, entries=len(entries), **failure(outcome.error))
            return None
        return outcome

    async def apply_one_by_one(self, entry: Entry, *, before_each: Callable[[], Awaitable[None]]) -> AppliedEntries:
        """Apply the reports of one entry one by one; await *before_each* before each report.

        A body that cannot be classified, or a report that cannot be applied, does not affect the others.
        """
        classifiable, requests, unclassifiable = await self._split(entry)
        classified = await self._classify(classifiable, requests, [entry.from_links] * len(classifiable))
        classified.dead_letters += unclassifiable
        results: list[ReportEffect | None] = []
        for report in classified.reports:
            await before_each()
            results.append(await self._apply_alone(report))
        ends = [(entry.id, len(classified.reports))]
        has_failures = bool(unclassifiable) or None in results
        return AppliedEntries(classified, results, ends, entry.via, has_failures=has_failures)

    async def store_side_effects(self, applied: AppliedEntries) -> int:
        """Store opt-outs, reports of test sends, foreign bodies and dead letters; return the number of dead letters.

        Raises:
            IdKeyRefused: a row has the form of ours and a wrong signature, and this process lacks a key that may have
                made it. Nothing is stored then.
        """
        classified, results, dead_letters = applied.classified, applied.results, applied.classified.dead_letters
        if classified.counts["forged"]:
            await self._id_key_guard.check_reading()
        events = classified.events
        if not _WITHOUT_MESSAGE.isdisjoint(results):
            dead_letters += [
                DeadLetter(reason, event.raw)
                for result, event in zip(results, events, strict=True)
                if (reason := _REASONS.get(result))
            ]
        await self._note_dead_numbers(applied)
        # Redis no longer has the number of an archived message: the process that archives opts the number out.
        late = [index for index in classified.stop_replies if results[index] is ReportEffect.ARCHIVED]
        await LateStops(self._redis).add(
            (classified.reports[index].campaign, classified.reports[index].index) for index in late
        )
        stops = applied.stop_replies
        numbers = await self._numbers([classified.reports[index] for index in stops])
        await self._opt_outs.add([number for number in numbers if number])
        without_number = [index for index, number in zip(stops, numbers, strict=True) if not number]
        dead_letters += [DeadLetter(DeadLetterReason.NOT_APPLIED, events[index].raw) for index in without_number]
        dead_letters += await self._opt_out_of_test_sends(classified.test_send_stops)
        dead_letters += await enqueue(
            self._redis,
            classified.foreign_bodies,
            classified.foreign_requests,
            via=applied.via,
            max_bytes=self._streams.max_relay_bytes,
            measured=self._relay_stream,
        )
        await self._test_sends.add(classified.test_sends)
        await self._dead_letters.add(dead_letters)
        if self._forwarding:
            await self._forward(applied, self._forwarding)
        return len(dead_letters)

    async def _forward(self, applied: AppliedEntries, forwarding: Forwarding) -> None:
        """Queue copies of the reports about messages that the ledger knows, also of reports that changed nothing.

        A report that changes nothing may have been applied by a reconciler that died before it queued the copy.
        """
        if len(applied.results) <= _MAX_LIGHT_ROWS:
            copies = _copies(applied, forwarding.rows)
        else:
            copies = await asyncio.to_thread(_copies, applied, forwarding.rows)
        for at in range(0, len(copies), _COPIES_AT_ONCE):
            if dropped := await forwarding.queue.add_all(copies[at : at + _COPIES_AT_ONCE]):
                self._sums.error("too many reports wait to be forwarded; copies are dropped", events=dropped)

    async def _classify(
        self, bodies: Sequence[bytes], requests: Sequence[bytes], from_links: Sequence[bool]
    ) -> ClassifiedReports:
        """Classify bodies; large bodies are classified in a thread, so that relay and renewal of claims go on."""
        if sum(map(len, bodies)) <= _MAX_LIGHT_BYTES and sum(map(max_rows, bodies)) <= _MAX_LIGHT_ROWS:
            return self._classifier.classify(bodies, requests=requests, from_links=from_links)
        return await asyncio.to_thread(self._classifier.classify, bodies, requests=requests, from_links=from_links)

    async def _note_dead_numbers(self, applied: AppliedEntries) -> None:
        """Note as dead the numbers that nobody has, according to the code of a failed report.

        A report that changes nothing counts too: the process may have died between the report's effect and this note.
        The number of a delivered message is not dead, even if a gateway that reports each part says that one failed,
        and even if the report of the failure came first.
        """
        await self._revive_numbers(applied)
        codes = self._dead_numbers.rule.codes
        results = applied.results
        indexes = [
            index
            for index, report in enumerate(applied.classified.reports)
            if report.code in codes and report.kind == "failed" and results[index] not in _WITHOUT_MESSAGE
        ]
        if reports := await self._not_delivered(applied, indexes):
            numbers = await self._numbers(reports)
            dead = {number: report.code for number, report in zip(numbers, reports, strict=True) if number}
            await self._dead_numbers.add(dead)
            # Another process may have applied the report of a delivery before this note was made.
            are_delivered = await self._report_applier.are_delivered(reports)
            alive = (number for number, is_alive in zip(numbers, are_delivered, strict=True) if number and is_alive)
            await self._dead_numbers.revive(list(alive))

    async def _revive_numbers(self, applied: AppliedEntries) -> None:
        """Delete the notes about dead numbers whose messages were delivered after a failed report.

        The note stays if the process dies between the effect of the report and this call, or if the campaign was
        archived in between.
        """
        corrected = [
            report
            for report, result in zip(applied.classified.reports, applied.results, strict=True)
            if result is ReportEffect.CORRECTED
        ]
        if corrected and self._dead_numbers.rule.codes:
            await self._dead_numbers.revive([number for number in await self._numbers(corrected) if number])

    async def _not_delivered(self, applied: AppliedEntries, failed: Sequence[int]) -> list[DeliveryReport]:
        """Return the failed reports whose messages do not count as delivered; *failed* has the indexes of the reports.

        A report that changed the state of its message made the message failed, unless a later report of the same call
        says delivered. The ledger is asked only about the messages of all other reports.
        """
        if not failed:
            return []
        reports, results = applied.classified.reports, applied.results
        indexes = {reports[index].index for index in failed}
        delivered = {report.index for report in reports if report.index in indexes and report.kind == "delivered"}
        asked = [
            reports[index]
            for index in failed
            if results[index] is not ReportEffect.APPLIED or reports[index].index in delivered
        ]
        are_delivered = await self._report_applier.are_delivered(asked) if asked else []
        not_failed = {report for report, is_delivered in zip(asked, are_delivered, strict=True) if is_delivered}
        return [reports[index] for index in failed if reports[index] not in not_failed]

    async def _opt_out_of_test_sends(self, stops: Sequence[tuple[int, bytes]]) -> list[DeadLetter]:
        """Opt out the senders of stop replies to test messages; return the rows without a known number."""
        numbers = await self._test_sends.numbers([index for index, _ in stops])
        await self._opt_outs.add([number for number in numbers if number])
        return [
            DeadLetter(DeadLetterReason.NOT_APPLIED, raw)
            for (_, raw), number in zip(stops, numbers, strict=True)
            if not number
        ]

    async def _split(self, entry: Entry) -> tuple[list[bytes], list[bytes], list[DeadLetter]]:
        """Return the bodies of an entry that can be classified, their requests, and the other bodies as letters."""
        classifiable: list[bytes] = []
        requests: list[bytes] = []
        unclassifiable: list[DeadLetter] = []

        async def classify(body: bytes) -> None:
            await self._classify([body], [b""], [entry.from_links])

        bodies = posted_bodies(entry.payload)
        for body, request in zip(bodies, unpack_requests(entry.request, len(bodies)), strict=True):
            outcome = await attempt(partial(classify, body))
            if isinstance(outcome, Failed):
                log.error("reports could not be classified", delivery=entry.deliveries, **failure(outcome.error))
                unclassifiable.append(DeadLetter(DeadLetterReason.NOT_APPLIED, body, request=request))
            else:
                classifiable.append(body)
                requests.append(request)
        return classifiable, requests, unclassifiable

    async def _apply_alone(self, report: DeliveryReport) -> ReportEffect | None:
        """Apply one report and return its effect; None if the report cannot be applied."""
        outcome = await attempt(partial(self._report_applier.apply, [report]))
        if isinstance(outcome, Failed):
            await self._raise_unless_reports_are_at_fault(outcome.error)
            kind = type(outcome.error).__name__
            log.warning("a report could not be applied", campaign=report.campaign, error=kind)
            return None
        return outcome[0]

    async def _numbers(self, reports: Sequence[DeliveryReport]) -> list[str]:
        """Return the phone numbers of the messages of reports; empty where the ledger does not know the number."""
        outcome = await attempt(partial(self._report_applier.phones, reports))
        if not isinstance(outcome, Failed):
            return outcome
        await self._raise_unless_reports_are_at_fault(outcome.error)
        if len(reports) > 1:
            return [number for report in reports for number in await self._numbers([report])]
        kind = type(outcome.error).__name__
        log.warning("the number of a report cannot be read", campaign=reports[0].campaign, error=kind)
        return [""]

    async def _raise_unless_reports_are_at_fault(self, error: Exception) -> None:
        """Raise an error that the state of the server caused; return if the reports caused the error.

        The server may refuse a report for ever with an error that ``is_transient`` takes for a temporary one. A
        reconciler that waited for the end of such an error would delay all other reports. So the server is asked for a
        write of another kind: if the server accepts that write, the reports caused the error.
        """
        if not is_transient(error):
            return
        if not isinstance(error, ResponseError):  # the server did not answer
            raise error
        try:
            await check(self._redis)
        except RedisUnavailable:
            raise error from None


def _copies(applied: AppliedEntries, rows: ForwardRows) -> list[tuple[bytes, int, ForwardedEvent]]:
    """Return the copies of applied reports: the id of the report's entry, the position in the entry, and the event."""
    copies, begin = list[tuple[bytes, int, ForwardedEvent]](), 0
    events, results = applied.classified.events, applied.results
    for entry_id, end in applied.ends:
        for index in range(begin, end):
            event = events[index]
            if results[index] in {None, ReportEffect.UNKNOWN} or not (row := rows.write(event)):
                continue
            copy = ForwardedEvent(event.kind.value, bare_id(event.meta), row, applied.via)
            copies.append((entry_id, index - begin, copy))
        begin = end
    return copies


def max_rows(body: bytes) -> int:
    """Return the maximum number of rows in a body: the number of its commas, plus one."""
    return body.count(b",") + 1
