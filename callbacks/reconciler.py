"""Applies the reports that the receiver stored to the ledger: ``python -m callbacks.reconciler``, any number of them.

At least once: an entry leaves the stream only after its reports were applied and whatever could not be was set aside
or queued for the relay. A reconciler may be killed at any point; another claims what it held, and applying twice
changes nothing.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import structlog
import uvloop
from msgspec import DecodeError
from redis.asyncio import Redis

from callbacks import relay
from callbacks.classifier import ClassifiedReports, ReportClassifier
from callbacks.dead_letters import DeadLetterRow, DeadLetters, Reason
from callbacks.process import run_until_signalled
from callbacks.retry_loop import run_forever
from callbacks.streams import CLAIM_AFTER_MS, REPORTS, Entry, Reader, is_trouble, store_alone, unpack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.optouts import OptOuts
from times_dispatch.ledger.report_applier import Applied, DeliveryReport, ReportApplier
from times_dispatch.ledger.testsends import SendTestReports
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.settings.load import Need
from times_dispatch.settings.logs import failure
from times_dispatch.settings.model import Settings
from times_dispatch.settings.startup import load_settings_or_exit

log = structlog.get_logger(__name__)

GROUP: Final = "reconcilers"

READ_AT_ONCE: Final = 128
"""Entries; the receiver puts up to 128 KiB into one when it is busy."""

APPLIED_AT_ONCE: Final = 1024 * 1024
"""Bytes of bodies, some thousands of reports: a script call serves several, and all are done in well under a second."""

LAST_DELIVERY: Final = 5
"""Of an entry that was handed out so often, what fails is set aside. If its reconcilers only died, it may have been in
bad company, and comes alone from then on."""

LAST_ALONE: Final = 8
"""Deliveries; whatever still has not been settled then kills whoever looks into it."""

BLOCK_MS: Final = 1_000
LOOK_FOR_DEAD_EVERY_S: Final = 5.0
KEEP_EVERY_S: Final = 5.0


class Reconciler:
    """One reader of the stream ``reports``. Call ``step`` again and again, then ``leave``."""

    def __init__(
        self,
        redis: Redis,
        reported: ReportApplier,
        triage: ReportClassifier,
        *,
        name: str | None = None,
        claim_after_ms: int = CLAIM_AFTER_MS,
    ) -> None:
        self._redis = redis
        self._reported = reported
        self._triage = triage
        self._set_aside = DeadLetters(redis)
        self._trials = SendTestReports(redis)
        self._optouts = OptOuts(redis)
        self._reader = Reader(redis, REPORTS, GROUP, name)
        self._claim_after_ms = claim_after_ms
        self._hand: deque[Entry] = deque()
        self._kept_at = 0.0
        # Not at once: where an entry kills reconciler after reconciler, each new one gets something done before.
        self._look_for_dead_at = time.monotonic() + LOOK_FOR_DEAD_EVERY_S

    async def step(self, *, block_ms: int = BLOCK_MS) -> None:
        """Settle one group of entries, waiting for the first; if Redis is in trouble they stay in hand for the next."""
        if not self._hand:
            self._hand.extend(await self._next(block_ms))
            self._kept_at = time.monotonic()
        await self._keep_hand()
        group = self._next_group()
        if group:
            await self._settle(group)
            for _ in group:
                self._hand.popleft()

    async def leave(self) -> None:
        """Hand back what is in hand."""
        await self._reader.leave([entry.id for entry in self._hand])

    async def _keep_hand(self) -> None:
        """Claim what is in hand anew before anybody takes it for a dead reconciler's."""
        if time.monotonic() - self._kept_at > KEEP_EVERY_S:
            await self._reader.keep([entry.id for entry in self._hand])
            self._kept_at = time.monotonic()

    async def _next(self, block_ms: int) -> list[Entry]:
        if time.monotonic() >= self._look_for_dead_at:
            left_behind = await self._reader.claim(
                READ_AT_ONCE, lambda _: self._claim_after_ms, together_until=LAST_DELIVERY
            )
            if left_behind:
                log.info("entries of another reconciler claimed", entries=len(left_behind))
                return left_behind
            self._look_for_dead_at = time.monotonic() + LOOK_FOR_DEAD_EVERY_S
        return await self._reader.read(READ_AT_ONCE, block_ms=block_ms)

    def _next_group(self) -> list[Entry]:
        group: list[Entry] = []
        size = 0
        for entry in self._hand:
            size += len(entry.payload)
            if group and size > APPLIED_AT_ONCE:
                break
            group.append(entry)
        return group

    async def _settle(self, group: Sequence[Entry]) -> None:
        """Settle entries together; if that fails for another reason than Redis' state, one by one.

        One that comes alone is tried as it is, then row by row, then no more.
        """
        deliveries = group[0].deliveries
        if deliveries > LAST_ALONE:
            await self._give_up(group[0])
            return
        if deliveries > LAST_DELIVERY:
            log.warning("an entry that reconcilers ended over is tried alone", delivery=deliveries)
        if deliveries > LAST_DELIVERY + 1:
            await self._settle_alone(group[0])
            return
        try:
            pile = self._triage.sort(body for entry in group for body in bodies(entry))
            answers = await self._reported.apply(pile.reports)
        except Exception as error:  # poison may fail in any way
            if is_trouble(error):
                raise
            event = "reports could not be applied together; trying them one by one"
            log.error(event, entries=len(group), **failure(error))
            for entry in group:
                await self._settle_alone(entry)
        else:
            await self._finish(group, pile, answers)

    async def _settle_alone(self, entry: Entry) -> None:
        """Apply what can be applied of one entry, row by row.

        The rest keeps it in the stream, to be claimed and tried again, until its last delivery.
        """
        good, bad = self._sortable(entry)
        pile = self._triage.sort(good)
        pile.aside += [DeadLetterRow(Reason.POISON, body) for body in bad]
        answers = [await self._apply_alone(report) for report in pile.reports]
        if entry.deliveries >= LAST_DELIVERY or not (bad or None in answers):
            await self._finish([entry], pile, answers)

    def _sortable(self, entry: Entry) -> tuple[list[bytes], list[bytes]]:
        """Return the bodies of an entry that can be sorted, and those that cannot."""
        good: list[bytes] = []
        bad: list[bytes] = []
        for body in bodies(entry):
            try:
                self._triage.sort([body])
            except Exception as error:  # noqa: BLE001  # poison may fail in any way
                log.error("reports could not be sorted", delivery=entry.deliveries, **failure(error))
                bad.append(body)
            else:
                good.append(body)
        return good, bad

    async def _apply_alone(self, report: DeliveryReport) -> Applied | None:
        await self._keep_hand()
        try:
            (answer,) = await self._reported.apply([report])
        except Exception as error:  # poison may fail in any way
            if is_trouble(error):
                raise
            log.warning("a report could not be applied", campaign=report.campaign, error=type(error).__name__)
            return None
        return answer

    async def _give_up(self, entry: Entry) -> None:
        """Set an entry aside whole: what kills reconcilers is not looked into again.

        Of several bodies that were stored together each gets the same number of tries without the others first.
        """
        whole = bodies(entry)
        if len(whole) > 1:
            log.warning("the bodies of an entry that reconcilers ended over are parted", bodies=len(whole))
            await store_alone(self._redis, whole)
        else:
            log.error("an entry is given up", deliveries=entry.deliveries)
            await self._set_aside.add([DeadLetterRow(Reason.POISON, body) for body in whole])
        await self._reader.done([entry.id])

    async def _finish(
        self, entries: Sequence[Entry], pile: ClassifiedReports, answers: Sequence[Applied | None]
    ) -> None:
        """Opt out who asked, set aside and queue for the relay what was not applied; only then let the entries go."""
        aside = pile.aside
        for answer, event in zip(answers, pile.events, strict=True):
            if answer is None:
                aside.append(DeadLetterRow(Reason.POISON, event.raw))
            elif answer is Applied.UNKNOWN:
                aside.append(DeadLetterRow(Reason.UNKNOWN, event.raw))
        stops = [place for place in pile.stops if answers[place] not in {None, Applied.UNKNOWN}]
        numbers = await self._reported.numbers([pile.reports[place] for place in stops])
        await self._optouts.add([number for number in numbers if number])
        unheard = [at for at, number in zip(stops, numbers, strict=True) if not number]
        aside += [DeadLetterRow(Reason.POISON, pile.events[at].raw) for at in unheard]
        aside += await relay.queue(self._redis, pile.foreign)
        await self._trials.add(pile.trials)
        await self._set_aside.add(aside)
        await self._reader.done([entry.id for entry in entries])
        if entries:
            did = {answer.name.lower(): rows for answer, rows in Counter(answers).items() if answer}
            log.info(
                "reports reconciled", entries=len(entries), **pile.tally, **did, set_aside=len(aside), stops=len(stops)
            )


def bodies(entry: Entry) -> list[bytes]:
    """Take the posted bodies out of an entry; one that the receiver did not write counts as a body itself."""
    try:
        return unpack(entry.payload)
    except DecodeError:
        return [entry.payload]


async def reconcile(reconciler: Reconciler, stop: asyncio.Event) -> None:
    """Reconcile until told to stop."""
    await run_forever(reconciler.step, stop)
    await reconciler.leave()


async def serve(settings: Settings) -> None:
    """Reconcile, and relay if there is somewhere to relay to, until a signal."""
    redis = connect(settings.redis_url, retries=1)  # a step that fails is repeated anyway
    triage = ReportClassifier(
        CorrelationIds(settings.id_key), relaying=bool(settings.relay_url), stop_words=settings.optouts.stop_words
    )
    reconciler = Reconciler(redis, ReportApplier(redis), triage)

    def tasks(stop: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        log.info("reconciler started", relaying=bool(settings.relay_url))
        running = [reconcile(reconciler, stop)]
        if settings.relay_url:
            running.append(relay.Relay(redis, settings.relay_url).run(stop))
        return running

    await run_until_signalled(tasks)
    await redis.aclose()
    log.info("reconciler stopped")


def main() -> None:
    """Start from the process's environment."""
    uvloop.run(serve(load_settings_or_exit(Need.LEDGER, Need.IDS)))


if __name__ == "__main__":
    main()
