"""Flower's row for each campaign, made of Celery events: Flower lists only tasks of which it has seen events."""

import math
from collections import OrderedDict

from celery import Celery

from times_dispatch.broker.app import CAMPAIGN_TASK, campaign_row
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.summary import progress_line

_MIN_SPAN_S = 0.9
"""A rate is measured over at least this time."""
_EVENTS_PER_MESSAGE = 100
"""Events in one message to the broker; one by one they would cost the worker more than everything else in upkeep."""
_MAX_CAMPAIGNS = 10_000
"""Campaigns that a process remembers for their rows."""


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
    """Sends the events that make one row for each campaign."""

    def __init__(self, app: Celery, *, begin_again_every_s: float = 10.0, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make the rows of a process.

        Args:
            app: sends the events.
            begin_again_every_s: a row is begun again after this many seconds, because Flower may have been restarted.
            clock: the clock that measures rates and these seconds.
        """
        self._app = app
        self._begin_again_every_s = begin_again_every_s
        self._clock = clock
        self._meter = RateMeter()
        self._begun_at: OrderedDict[CampaignId, float] = OrderedDict()

    def show(self, views: list[CampaignView]) -> None:
        """Send each campaign's row; raise one of ``BROKER_ERRORS`` if the broker is unavailable."""
        if not views:
            return
        with self._app.connection_for_write() as connection:
            # No buffer for an unavailable broker: the buffer would be lost with the dispatcher of the events.
            dispatcher = self._app.events.Dispatcher(
                connection, buffer_while_offline=False, buffer_group={"task"}, buffer_limit=_EVENTS_PER_MESSAGE
            )
            now = self._clock.monotonic()
            for view in views:
                row = campaign_row(view.id)
                text = progress_line(view, self._meter.rate_per_s(view, now))
                fields = {"name": CAMPAIGN_TASK, "args": f"{view.plan.name} {view.id} {view.plan.sender}", "kwargs": ""}
                if self._must_begin(view.id, now):
                    dispatcher.send("task-received", uuid=row, **fields)
                    dispatcher.send("task-started", uuid=row, **fields)
                if view.state in {CampaignState.FINISHED, CampaignState.CANCELLED}:
                    runtime = max(0, (view.finished_ms or view.last_sent_ms) - view.first_sent_ms) / 1000
                    dispatcher.send("task-succeeded", uuid=row, result=text, runtime=runtime, **fields)
                else:
                    dispatcher.send("task-progress", uuid=row, result=text, **fields)
            dispatcher.flush()

    def _must_begin(self, campaign: CampaignId, now: float) -> bool:
        """Return whether a row has to be begun, or begun again."""
        if now - self._begun_at.get(campaign, -math.inf) < self._begin_again_every_s:
            return False
        self._begun_at[campaign] = now
        self._begun_at.move_to_end(campaign)
        if len(self._begun_at) > _MAX_CAMPAIGNS:
            self._begun_at.popitem(last=False)
        return True
