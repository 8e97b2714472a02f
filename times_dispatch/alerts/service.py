"""The loop of the alerts process: observe the ledger, decide, store the decisions, and notify the targets."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

import structlog

from times_dispatch.alerts.condition import Condition
from times_dispatch.alerts.conditions import conditions, events
from times_dispatch.alerts.decisions import (
    DueAlert,
    Records,
    after_notification,
    claimed,
    due,
    is_done,
    unclaimed,
    updated,
)
from times_dispatch.alerts.messages import AlertMessage, message_of
from times_dispatch.alerts.observation import Observation
from times_dispatch.alerts.outage import LedgerOutage
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import LEDGER_ERRORS
from times_dispatch.ledger.monitoring.alerts import AlertChange, AlertKind, AlertsKept, AlertStore, TargetState, Watched
from times_dispatch.settings.logs import failure
from times_dispatch.settings.tables.alerts import AlertSettings
from times_dispatch.tls_options import connection_problem

log = structlog.get_logger(__name__)

EVERY_S: Final = 10.0
"""Seconds from one observation to the next; the lease lasts for three such intervals."""
_END_WITHIN_S: Final = 3.0
"""How long, in seconds, a stop waits for messages that are being sent."""
_FIRST_PAUSE_S: Final = 30.0
_MAX_PAUSE_S: Final = 600.0


class AlertTarget(Protocol):
    """A target, as the service calls it."""

    async def send(self, message: AlertMessage, *, stop: asyncio.Event | None = None) -> str:
        """Send a message; return the reason of a failure, or an empty text."""


class _Sent(NamedTuple):
    """The result of sending one message."""

    target: str
    alerts: list[DueAlert]
    reason: str
    """Why the target did not take the message; empty if the target took the message."""


class AlertService:
    """Observes the ledger and notifies people, while no other process holds the lease."""

    def __init__(
        self,
        store: AlertStore,
        observe: Callable[[Watched], Awaitable[Observation]],
        settings: AlertSettings,
        targets: Mapping[str, AlertTarget],
        *,
        every_s: float = EVERY_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make the service of a process.

        Args:
            store: the alerts in the ledger.
            observe: observes the ledger; gets the state from the last observation.
            settings: ``[alerts]``.
            targets: the targets by their names.
            every_s: seconds from one observation to the next.
            clock: the clock of the waits.
        """
        self._store = store
        self._observe = observe
        self._settings = settings
        self._targets = targets
        self._every_s = every_s
        self._clock = clock
        self._sending = dict[str, asyncio.Task[None]]()
        """The running sends, by target: a target that does not answer delays no other target."""
        self._sent = list[_Sent]()
        """The results of messages that are not in the ledger yet."""
        self._stop = asyncio.Event()
        self._open = 0
        self._leads = False
        self._reached = False
        """Whether this process has reached the ledger at least once."""
        self._outage = LedgerOutage(after_s=settings.worker_away_after_s, clock=clock)

    def figures(self) -> dict[str, int]:
        """Return the figures for heartbeats: whether this process holds the lease, and the number of open alerts."""
        return {"leads": int(self._leads), "open": self._open if self._leads else 0}

    async def run(self, stop: asyncio.Event) -> None:
        """Observe and notify until the stop is set; then store the results, and release the lease."""
        while not stop.is_set():
            was_leader = self._leads
            try:
                await self.round()
            except LEDGER_ERRORS as error:
                log.warning("the ledger is unavailable", error=connection_problem(error))
                self._outage.note_failure(notifies=was_leader or not self._reached)
            else:
                self._reached = True
                self._outage.note_success()
            self._notify_of_outage()
            await self._clock.wait(stop, self._every_s)
        await self._end()

    async def round(self) -> None:
        """Observe the ledger once, store the decisions, and begin to notify targets. Raises Redis errors."""
        self._leads = await self._store.keep()
        if not self._leads:
            return
        kept = await self._store.read()
        now = await self._observe(kept.watched)
        sent, records, states = list(self._sent), dict(kept.open), dict(kept.targets)
        _apply(sent, records, states, now.now_ms)
        happened = await self._new_events(now)
        records = updated(records, conditions(now, self._settings), happened, self._settings, now_ms=now.now_ms)
        messages = self._claim(records, states, now.now_ms)
        changes = self._changes(kept, records, states, now)
        if not await self._store.keep(changes):
            self._leads = False
            return
        del self._sent[: len(sent)]
        self._open = sum(1 for record in records.values() if record.opened_ms and not record.is_event)
        for target, alerts in messages.items():
            message = message_of(alerts, name=self._settings.name, now_ms=now.now_ms)
            self._begin(target, self._send(target, message, alerts))

    async def _new_events(self, now: Observation) -> list[Condition]:
        """Return the events without those whose alerts have ended: an observation may contain an event again."""
        happened = events(now)
        ended = await self._store.ended_ids() if happened else set[str]()
        return [event for event in happened if event.id not in ended]

    def _claim(self, records: Records, states: Mapping[str, TargetState], now_ms: int) -> dict[str, list[DueAlert]]:
        """Choose the alerts for each target, and note in the records that this process is notifying the target."""
        messages = dict[str, list[DueAlert]]()
        for target in self._targets:
            is_busy = target in self._sending and not self._sending[target].done()
            if is_busy or states.get(target, TargetState()).next_try_ms > now_ms:
                continue
            if alerts := due(records.values(), target, self._settings, now_ms=now_ms):
                messages[target] = alerts
                for alert in alerts:
                    record = records[alert.record.id]
                    records[record.id] = claimed(record, target, by=self._store.token, now_ms=now_ms)
        return messages

    def _changes(
        self, kept: AlertsKept, records: Records, states: Mapping[str, TargetState], now: Observation
    ) -> list[AlertChange]:
        """Return the writes that turn the stored alerts into the new alerts."""
        changes = AlertChange.of_watched(kept.watched, now.watched)
        for name, record in records.items():
            if is_done(record, self._settings, now_ms=now.now_ms):
                changes += [AlertChange.closed(record), AlertChange.ended(record)]
            elif record != kept.open.get(name):
                changes.append(AlertChange.of_open(record))
        changes += [AlertChange.closed(record) for name, record in kept.open.items() if name not in records]
        changes += [
            AlertChange.of_target(name, state) for name, state in states.items() if state != kept.targets.get(name)
        ]
        return changes + [AlertChange.no_target(name) for name in kept.targets if name not in self._targets]

    def _begin(self, target: str, sending: Coroutine[None, None, None]) -> None:
        task = self._sending[target] = asyncio.create_task(sending)
        task.add_done_callback(partial(_log_unexpected, target))

    async def _send(self, target: str, message: AlertMessage, alerts: list[DueAlert]) -> None:
        reason = await self._targets[target].send(message, stop=self._stop)
        if reason:
            log.warning("alerts were not sent", target=target, alerts=len(alerts), reason=reason)
        else:
            log.info("alerts sent", target=target, alerts=len(alerts))
        self._sent.append(_Sent(target, alerts, reason))

    def _notify_of_outage(self) -> None:
        """Notify targets of the outage of the ledger, or of the end of the outage, without the ledger."""
        for target in self._targets:
            busy = self._sending.get(target)
            if (busy and not busy.done()) or AlertKind.REDIS_AWAY not in self._kinds_of(target):
                continue
            if alert := self._outage.due(target):
                message = message_of([alert], name=self._settings.name, now_ms=alert.record.opened_ms)
                self._begin(target, self._send_of_outage(target, message, alert))

    def _kinds_of(self, target: str) -> Sequence[str]:
        return self._settings.targets[target].kinds or [kind.value for kind in AlertKind]

    async def _send_of_outage(self, target: str, message: AlertMessage, alert: DueAlert) -> None:
        if reason := await self._targets[target].send(message, stop=self._stop):
            log.warning("alerts were not sent", target=target, alerts=1, reason=reason)
        else:
            self._outage.note_sent(target, alert.kind)

    async def _end(self) -> None:
        """Store the results of sent messages, and release the lease."""
        self._stop.set()
        running = [task for task in self._sending.values() if not task.done()]
        if running:
            await asyncio.wait(running, timeout=_END_WITHIN_S)
        if not self._leads:
            return
        try:
            kept = await self._store.read()
            records, states = dict(kept.open), dict(kept.targets)
            _apply(self._sent, records, states, kept.watched.until_ms)
            changes = [AlertChange.of_open(record) for name, record in records.items() if record != kept.open.get(name)]
            changes += [AlertChange.of_target(name, state) for name, state in states.items()]
            if await self._store.keep(changes):
                await self._store.release()
        except LEDGER_ERRORS as error:
            log.warning("the last results of notifications are not in the ledger", error=connection_problem(error))


def _log_unexpected(target: str, task: asyncio.Task[None]) -> None:
    """Log an error that no target should raise; the alerts are sent again when their claims run out."""
    if not task.cancelled() and isinstance(error := task.exception(), Exception):
        log.error("alerts were not sent: unexpected error", target=target, **failure(error))


def _apply(sent: list[_Sent], records: Records, states: dict[str, TargetState], now_ms: int) -> None:
    """Note the results of messages in the records and in the states of targets."""
    for message in sent:
        for alert in message.alerts:
            record = records.get(alert.record.id)
            if record is None:
                continue
            if message.reason:
                records[record.id] = unclaimed(record, message.target)
            else:
                records[record.id] = after_notification(record, message.target, alert.kind, at_ms=now_ms)
        before = states.get(message.target, TargetState())
        if message.reason:
            pause_s = min(_FIRST_PAUSE_S * 2 ** min(before.failures, 10), _MAX_PAUSE_S)
            states[message.target] = TargetState(
                notified_ms=before.notified_ms,
                failing_since_ms=before.failing_since_ms or now_ms,
                failures=before.failures + 1,
                reason=message.reason,
                next_try_ms=now_ms + int(pause_s * 1000),
            )
        else:
            states[message.target] = TargetState(notified_ms=now_ms)
