"""Applies the reports that the receiver stored to the ledger: ``python -m callbacks.reconciler``, any number of them.

Each report is applied at least once. An entry is deleted from the stream only after its reports were applied, and after
all other rows were queued for the relay or moved to the dead letters. A reconciler may be killed at any moment: another
reconciler claims the entries that the killed one held, and applying a report twice changes nothing.
"""

import asyncio
import gc
import sys
from collections import Counter, deque
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog
import uvloop
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from callbacks.classifier import ReportClassifier
from callbacks.dead_letters import DeadLetter, DeadLetterReason, DeadLetters
from callbacks.entry_applier import (
    NO_DEAD_NUMBERS,
    AppliedEntries,
    EntryApplier,
    Forwarding,
)
from callbacks.reconciler_limits import ReconcilerLimits
from callbacks.relay.foreign_relay import ForeignRelay
from callbacks.relay.forward_queue import ForwardLimits
from callbacks.relay.forwarder import Forwarder
from callbacks.retry_loop import run_forever
from callbacks.stream_reader import Entry, StreamReader
from callbacks.streams import DEFAULT_STREAM_LIMITS, REPORTS, StreamLimits, posted_bodies, store_one_by_one
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.errors import IdKeyRefused, LedgerNewer
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.keys import RECONCILERS
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.ledger.numbers.hidden_numbers import ForgottenNumbersHidden, Hide
from times_dispatch.ledger.reports.dead_letter_bodies import SEARCH_EVERY_S, DeadLetterBodies
from times_dispatch.ledger.reports.posted_requests import unpack_requests
from times_dispatch.ledger.reports.report_applier import ReportApplier
from times_dispatch.ledger.schema import refuse_newer_ledger
from times_dispatch.log_sums import LogSums
from times_dispatch.process import run_until_signalled
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.startup import load_settings_or_exit

log = structlog.get_logger(__name__)

GROUP: Final = RECONCILERS
_AT_ONCE_MS: Final = 1
"""How many milliseconds a read waits for a new entry while other entries wait for memory."""


_DEFAULT_LIMITS: Final = ReconcilerLimits()


class Reconciler:
    """One reader of the stream ``reports``.

    To process an entry is to apply its reports to the ledger, to store their side effects, and then to delete the entry
    from the stream.
    """

    def __init__(
        self,
        redis: Redis,
        report_applier: ReportApplier,
        classifier: ReportClassifier,
        id_key_guard: IdKeyGuard,
        *,
        name: str | None = None,
        limits: ReconcilerLimits = _DEFAULT_LIMITS,
        streams: StreamLimits = DEFAULT_STREAM_LIMITS,
        dead_numbers: DeadNumberRule = NO_DEAD_NUMBERS,
        forwarding: Forwarding | None = None,
        hide: Hide | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a reconciler.

        Args:
            redis: the Redis with the stream, the dead letters and the opt-outs.
            report_applier: applies reports to the ledger.
            classifier: tells our reports from those of other systems.
            id_key_guard: the guard that says whether the classifier has all the keys of our reports.
            name: the name of this process among the reconcilers; None makes a name.
            limits: how many entries the reconciler takes at the same time, and how often it tries an entry that fails.
            streams: how many bytes the streams that the reconciler writes may take.
            dead_numbers: which failed reports mean that a number is dead.
            forwarding: the copies of reports that another system gets; None if no system gets any.
            hide: replaces forgotten phone numbers in bodies before they are applied; None leaves bodies as they are.
            clock: the clock that decides when to claim and when to renew.
        """
        self._redis = redis
        self._applier = EntryApplier(
            redis,
            report_applier,
            classifier,
            id_key_guard,
            streams=streams,
            dead_numbers=dead_numbers,
            forwarding=forwarding,
        )
        self._id_key_guard = id_key_guard
        self._is_registered = False
        self._dead_letters = DeadLetters(redis, hide=hide)
        self._reader = StreamReader(redis, REPORTS, GROUP, name, hide=hide, clock=clock)
        self._limits = limits
        self._clock = clock
        self._claimed: deque[Entry] = deque()
        """Entries that were read, or claimed from a dead reconciler, and are not processed yet; the oldest come first,
        and the entries for which Redis has no memory come last."""
        self._refused = 0
        """How many entries in a row Redis has refused because it is full."""
        self._is_one_by_one = False
        """Whether entries are processed one by one, because Redis has refused a group."""
        self._sums = LogSums(log)
        self._renewed_at = clock.monotonic()
        # Not at once: a reconciler that a claimed entry will kill processes some new entries first.
        self._claim_at = clock.monotonic() + limits.claim_every_s
        self._next_read_at = float("-inf")
        """The earliest moment of the next read, on the monotonic clock."""

    async def run(self, stop: asyncio.Event) -> None:
        """Reconcile until the stop is set, then release the entries that are not processed.

        Raises:
            IdKeyRefused: this process lacks a key with which our ids may have been made, and could take our reports for
                another system's. It has processed no entry with such a report.
            LedgerNewer: the ledger has a newer schema than this program can read; no entry has been processed.
        """
        ended = asyncio.Event()
        renewing = asyncio.create_task(run_forever(partial(self._renew_later, ended), ended, clock=self._clock))
        try:
            await run_forever(self.step, stop, ends_on=(IdKeyRefused, LedgerNewer), clock=self._clock)
        finally:
            ended.set()
            await renewing
            await self._reader.release([entry.id for entry in self._claimed])
            self._sums.flush()

    def figures(self) -> dict[str, int]:
        """Return what this process holds now, for its heartbeats."""
        return {"entries_held": len(self._claimed)}

    async def step(self) -> None:
        """Process one group of the claimed entries; if no entry is claimed, read or claim some first.

        While Redis is full, an entry whose side effects need memory waits: its reports are applied, and the other
        entries are processed. The memory of these entries may be enough for the entry that waits.

        Raises the error that prevented the processing of a group, usually a Redis error. The entries of the group stay
        claimed, and the next step tries them again.
        """
        if not self._is_registered:
            await self._register_id_key()
        if not self._claimed:
            self._is_one_by_one = False
            self._claimed.extend(await self._next_entries())
            self._renewed_at = self._clock.monotonic()
        group = await self._process_next()
        self._refused = 0
        for _ in group:
            self._claimed.popleft()

    async def _process_next(self) -> list[Entry]:
        """Process the first group for which Redis has memory; return the group, empty if there are no entries.

        Raises ``OutOfMemoryError`` if Redis has no memory for any of the entries.
        """
        while True:
            await self._renew_claims()
            group = self._limits.first_group(self._claimed, one_by_one=self._is_one_by_one)
            try:
                if group:
                    await self._process(group)
            except OutOfMemoryError:
                if len(group) == 1 and not await self._pass_over():
                    raise
                self._is_one_by_one = True
            else:
                return group

    async def _pass_over(self) -> bool:
        """Put the first entry behind the others, because Redis is full; return whether another entry can be tried.

        When all entries were tried, new entries are read and put at the front.
        """
        self._claimed.rotate(-1)
        self._refused += 1
        if self._refused < len(self._claimed):
            return True
        self._refused = 0
        if len(self._claimed) >= self._limits.max_waiting_entries:
            return False
        more = await self._reader.read(self._limits.read_entries, block_ms=_AT_ONCE_MS)
        self._claimed.extendleft(reversed(more))
        return bool(more)

    async def _register_id_key(self) -> None:
        await refuse_newer_ledger(self._redis)
        if await self._id_key_guard.register():
            log.info("the ledger records the id key of this process")
        await self._id_key_guard.check_reading()
        self._is_registered = True

    async def _next_entries(self) -> list[Entry]:
        limits = self._limits
        if self._clock.monotonic() >= self._claim_at:
            entries = await self._reader.claim(
                limits.read_entries, lambda _: limits.claim_after_ms, alone_after=limits.max_deliveries
            )
            if entries:
                log.info("entries of another reconciler claimed", entries=len(entries))
                return entries
            self._claim_at = self._clock.monotonic() + limits.claim_every_s
        if (wait_s := self._next_read_at - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait_s)
        entries = await self._reader.read(limits.read_entries, block_ms=limits.block_ms)
        is_small = len(entries) < limits.read_entries and sum(entry.size for entry in entries) < limits.small_read_bytes
        if entries and is_small:
            self._next_read_at = self._clock.monotonic() + limits.read_every_s
        return entries

    async def _renew_later(self, ended: asyncio.Event) -> None:
        """Wait, then renew the claims, also in the middle of a step: an entry may take long."""
        await self._clock.wait(ended, self._limits.renew_every_s)
        await self._renew_claims()

    async def _renew_claims(self) -> None:
        if self._clock.monotonic() - self._renewed_at > self._limits.renew_every_s:
            await self._reader.renew([entry.id for entry in self._claimed])
            self._renewed_at = self._clock.monotonic()

    async def _process(self, group: Sequence[Entry]) -> None:
        """Process entries together; if that fails because of their reports, process each entry alone.

        An entry with more than ``max_deliveries`` deliveries is alone in its group: it is processed as usual at the
        first such delivery, report by report at the next deliveries, and given up at last.
        """
        limits, deliveries = self._limits, group[0].deliveries
        if deliveries > limits.max_deliveries_alone:
            await self._give_up(group[0])
            return
        if deliveries > limits.max_deliveries:
            log.warning("an entry that ended reconcilers is tried alone", delivery=deliveries)
        if deliveries > limits.max_deliveries + 1:
            await self._process_alone(group[0])
            return
        if applied := await self._applier.apply_together(group):
            await self._finish(group, applied)
            return
        for entry in group:
            await self._process_alone(entry)

    async def _process_alone(self, entry: Entry) -> None:
        """Apply the reports of one entry one by one.

        If a report fails, the whole entry stays in the stream, is claimed and tried again. At the last delivery of the
        entry, the reports that fail become dead letters.
        """
        applied = await self._applier.apply_one_by_one(entry, before_each=self._renew_claims)
        if entry.deliveries >= self._limits.max_deliveries or not applied.has_failures:
            await self._finish([entry], applied)

    async def _give_up(self, entry: Entry) -> None:
        """Move an entry to the dead letters without opening it.

        The bodies of an entry with several bodies first become entries of their own, each with as many deliveries.
        """
        bodies = posted_bodies(entry.payload)
        requests = unpack_requests(entry.request, len(bodies))
        if len(bodies) > 1:
            log.warning("the bodies of an entry that ended reconcilers are separated", bodies=len(bodies))
            await store_one_by_one(self._redis, bodies, requests, via=entry.via, from_links=entry.from_links)
        else:
            log.error("an entry is given up", deliveries=entry.deliveries)
            letters = [
                DeadLetter(DeadLetterReason.NOT_APPLIED, body, request=request)
                for body, request in zip(bodies, requests, strict=True)
            ]
            await self._dead_letters.add(letters)
        await self._reader.finish([entry.id])

    async def _finish(self, entries: Sequence[Entry], applied: AppliedEntries) -> None:
        """Store the side effects of the entries, and only then delete the entries from the stream."""
        dead_letters = await self._applier.store_side_effects(applied)
        await self._reader.finish([entry.id for entry in entries])
        self._sums.info(
            "reports reconciled",
            entries=len(entries),
            **applied.classified.counts,
            **{result.name.lower(): reports for result, reports in Counter(applied.results).items() if result},
            dead_letters=dead_letters,
            stop_replies=len(applied.stop_replies),
        )


async def serve(settings: Settings) -> None:
    """Reconcile until a signal, and relay and forward if the settings have addresses of other systems.

    Raises:
        IdKeyRefused: the settings lack a key with which our ids may have been made.
    """
    gc.freeze()  # otherwise each full garbage collection would scan all loaded modules, for tens of milliseconds
    classifier = ReportClassifier(
        CorrelationIds(settings.id_key, settings.old_id_key),
        relaying=bool(settings.relay_url),
        stop_words=settings.optouts.stop_words,
    )
    async with connect(settings.redis_url, retries=1) as redis:  # a step that fails is repeated anyway
        id_key_guard = IdKeyGuard(redis, settings.id_key, settings.old_id_key)
        streams = StreamLimits.of(settings.callbacks)
        forgotten = ForgottenNumbersHidden(redis, settings.forget_key)
        hide = forgotten.hide
        reconciler = Reconciler(
            redis,
            ReportApplier(redis),
            classifier,
            id_key_guard,
            streams=streams,
            dead_numbers=settings.dead_numbers.rule,
            forwarding=Forwarding.of(redis, settings.callbacks),
            hide=hide,
        )
        refusal: IdKeyRefused | None = None

        async def reconcile(stop: asyncio.Event) -> None:
            nonlocal refusal
            # a signal before this line ends the process at once, and a later signal sets the stop
            log.info(
                "reconciler started",
                relaying=bool(settings.relay_url),
                forwarding=bool(settings.callbacks.forward_url),
            )
            try:
                await reconciler.run(stop)
            except IdKeyRefused as error:  # raised below: an error here would cancel the relay during a post
                refusal = error

        heartbeat = Heartbeat(redis, ProcessKind.RECONCILER, figures=reconciler.figures, path=settings.heartbeat_path)
        dead_letters = DeadLetterBodies(redis, forgotten.hide_or_refuse)

        async def hide_in_dead_letters(stop: asyncio.Event) -> None:
            async def step() -> None:
                await dead_letters.hide_new()
                await SYSTEM_CLOCK.wait(stop, SEARCH_EVERY_S)

            await run_forever(step, stop)

        runs = [reconcile, heartbeat.run, hide_in_dead_letters]
        if settings.relay_url:
            runs.append(ForeignRelay(redis, settings.relay_url, hide=hide).run)
        if settings.callbacks.forward_url:
            limits = ForwardLimits.of(settings.callbacks)
            runs.append(Forwarder(redis, settings.callbacks.forward_url, queue_limits=limits, hide=hide).run)
        await run_until_signalled(*runs)
    log.info("reconciler stopped")
    if refusal:
        raise refusal


def main() -> None:
    """Run the process with the settings that its environment names; exit with 2 if the ledger refuses its id key."""
    try:
        uvloop.run(serve(load_settings_or_exit(Need.LEDGER, Need.IDS)))
    except IdKeyRefused as refused:
        sys.stderr.write(f"{refused}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
