"""Flower's row for each campaign, made of Celery events: Flower lists only tasks of which it has seen events."""

import math
from collections import OrderedDict
from typing import Any

from celery import Celery
from celery.events.dispatcher import EventDispatcher

from times_dispatch.broker.app import CAMPAIGN_TASK, campaign_row
from times_dispatch.broker.flower_text import row_state, row_text
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.model import CampaignId, CampaignView

_MIN_SPAN_S = 0.9
"""A rate is measured over at least this time."""
_EVENTS_PER_MESSAGE = 100
"""Events in one message to the broker. One message for each event would cost the worker more than all other upkeep."""
_RUNTIME_ENDS = {"task-succeeded", "task-failed"}
"""The events that carry a runtime, which Flower counts in its metrics."""
_MAX_CAMPAIGNS = 10_000
"""The number of campaigns whose rows a process remembers."""


class RateMeter:
    """Measures the messages per second of campaigns, from one update of a campaign to the next."""

    def __init__(self, *, max_campaigns: int = _MAX_CAMPAIGNS) -> None:
        self._max_campaigns = max_campaigns
        self._seen: OrderedDict[CampaignId, tuple[float, int, float]] = OrderedDict()
        """The time of the last update, the messages done by then, and the rate."""

    def rate_per_s(self, view: CampaignView, now: float) -> float:
        """Return the rate since the last update, or since the campaign's first push if this is the first update.

        *now* is on the monotonic clock. An update within ``_MIN_SPAN_S`` of the last update gets its rate.
        """
        at, done, rate = self._seen.get(view.id, (0.0, 0, 0.0))
        if not at:
            running_s = (view.last_sent_ms - view.first_sent_ms) / 1000
            rate = view.done / running_s if running_s > _MIN_SPAN_S else 0.0
        elif now - at < _MIN_SPAN_S:
            return rate
        else:
            rate = max(0, view.done - done) / (now - at)
        self._seen[view.id] = (now, view.done, rate)
        self._seen.move_to_end(view.id)
        if len(self._seen) > self._max_campaigns:
            self._seen.popitem(last=False)
        return rate


class FlowerRows:
    """Sends the events from which Flower makes one row for each campaign."""

    def __init__(
        self, app: Celery, *, worker: str, begin_again_every_s: float = 10.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Make the rows of a process.

        Args:
            app: sends the events.
            worker: the name of the Celery worker to which the rows belong. For an event without this name, Flower would
                show a worker that does not exist.
            begin_again_every_s: a row is begun again after this many seconds, because Flower may have been restarted.
            clock: the clock that measures rates and these seconds.
        """
        self._app = app
        self._worker = worker
        self._begin_again_every_s = begin_again_every_s
        self._clock = clock
        self._meter = RateMeter()
        self._begun: OrderedDict[CampaignId, tuple[float, str]] = OrderedDict()
        """For each row, when the row was last begun, and the event that gave the row its state."""

    def show(self, views: list[CampaignView]) -> None:
        """Send each campaign's row; raise one of ``BROKER_ERRORS`` if the broker is unavailable."""
        if not views:
            return
        with self._app.connection_for_write() as connection:
            # Events for an unavailable broker are not buffered: the buffer would be lost with the dispatcher of the
            # events.
            dispatcher = self._app.events.Dispatcher(
                connection,
                hostname=self._worker,
                buffer_while_offline=False,
                buffer_group={"task"},
                buffer_limit=_EVENTS_PER_MESSAGE,
            )
            now = self._clock.monotonic()
            begun = [(view.id, *self._show(dispatcher, view, now)) for view in views]
            dispatcher.flush()
        for campaign, begun_at, event in begun:  # after flush(): a lost event is sent again
            self._note_begun(campaign, begun_at, event)

    def _show(self, dispatcher: EventDispatcher, view: CampaignView, now: float) -> tuple[float, str]:
        """Send the events of a row; return when the row was last begun, and the event that gives the row its state."""
        rate_per_s = self._meter.rate_per_s(view, now)
        event = row_state(view, rate_per_s).event
        events, begun_at = self._events(view.id, event, now)
        row: dict[str, Any] = {
            "uuid": campaign_row(view.id),
            "name": CAMPAIGN_TASK,
            "args": f"{view.plan.name} {view.id} {view.plan.sender}",
            "kwargs": "",
        }
        for before in events[:-1]:
            dispatcher.send(before, **row)
        row["result"] = row_text(view, rate_per_s)
        if events[-1] in _RUNTIME_ENDS:
            row["runtime"] = max(0, (view.finished_ms or view.last_sent_ms) - view.first_sent_ms) / 1000
        dispatcher.send(events[-1], **row)
        return begun_at, event

    def _events(self, campaign: CampaignId, event: str, now: float) -> tuple[list[str], float]:
        """Return the events that give a row its state, and when the row was last begun.

        Celery forbids some changes of state, for example from revoked to paused. After a retry, Celery allows every
        state.
        """
        begun_at, shown = self._begun.get(campaign, (-math.inf, ""))
        if now - begun_at >= self._begin_again_every_s:
            return ["task-received", "task-started", "task-retried", event], now
        if event != shown:
            return ["task-retried", event], begun_at
        # This event changes the text of an ended row, but not the state of the row; so no end is counted twice.
        return ["task-progress" if event in _RUNTIME_ENDS else event], begun_at

    def _note_begun(self, campaign: CampaignId, at: float, event: str) -> None:
        self._begun[campaign] = (at, event)
        self._begun.move_to_end(campaign)
        if len(self._begun) > _MAX_CAMPAIGNS:
            self._begun.popitem(last=False)
