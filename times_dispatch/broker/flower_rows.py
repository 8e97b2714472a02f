"""Flower's row per campaign: custom events, because Flower's list is built from events only."""

import time
from collections import OrderedDict

from celery import Celery

from times_dispatch.broker.app import CAMPAIGN_TASK, campaign_row
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.summary import progress_line

_METERS_KEPT = 10_000
_LEAST_SPAN_S = 0.9
_INTRODUCE_EVERY_S = 10.0
_EVENTS_AT_ONCE = 100
"""Events in one message to the broker."""


class RateMeter:
    """Messages per second of campaigns, from what was seen before."""

    def __init__(self) -> None:
        self._seen: OrderedDict[CampaignId, tuple[float, int, float]] = OrderedDict()

    def rate_per_s(self, view: CampaignView, now: float) -> float:
        """Return the rate since the last look that is long enough ago; at first, since the campaign's first push."""
        at, done, rate = self._seen.get(view.id, (0.0, 0, 0.0))
        if not at:
            running_s = (view.last_sent_ms - view.first_sent_ms) / 1000
            rate = view.done / running_s if running_s > _LEAST_SPAN_S else 0.0
        elif now - at < _LEAST_SPAN_S:
            return rate
        else:
            rate = max(0, view.done - done) / (now - at)
        self._seen[view.id] = (now, view.done, rate)
        self._seen.move_to_end(view.id)
        if len(self._seen) > _METERS_KEPT:
            self._seen.popitem(last=False)
        return rate


class FlowerRows:
    """Sends the events that keep one row per campaign alive."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._meter = RateMeter()
        self._introduced: OrderedDict[CampaignId, float] = OrderedDict()

    def show(self, views: list[CampaignView]) -> None:
        """Send each campaign's line; raise what kombu raises if the broker is away."""
        if not views:
            return
        with self._app.connection_for_write() as connection:
            # It would keep what it cannot send, and be thrown away with it. One by one the events of a round would cost
            # the worker more than all else that upkeep does.
            dispatcher = self._app.events.Dispatcher(
                connection, buffer_while_offline=False, buffer_group={"task"}, buffer_limit=_EVENTS_AT_ONCE
            )
            for view in views:
                row = campaign_row(view.id)
                text = progress_line(view, self._meter.rate_per_s(view, time.monotonic()))
                about = {"name": CAMPAIGN_TASK, "args": f"{view.plan.name} {view.id} {view.plan.sender}", "kwargs": ""}
                if self._is_to_be_introduced(view.id, time.monotonic()):
                    dispatcher.send("task-received", uuid=row, **about)
                    dispatcher.send("task-started", uuid=row, **about)
                if view.state in {CampaignState.FINISHED, CampaignState.CANCELLED}:
                    runtime = max(0, (view.finished_ms or view.last_sent_ms) - view.first_sent_ms) / 1000
                    dispatcher.send("task-succeeded", uuid=row, result=text, runtime=runtime, **about)
                else:
                    dispatcher.send("task-progress", uuid=row, result=text, **about)
            dispatcher.flush()

    def _is_to_be_introduced(self, campaign: CampaignId, now: float) -> bool:
        """Say whether a row has to be begun (again), for Flower may have been restarted; every event costs."""
        if now - self._introduced.get(campaign, -_INTRODUCE_EVERY_S) < _INTRODUCE_EVERY_S:
            return False
        self._introduced[campaign] = now
        self._introduced.move_to_end(campaign)
        if len(self._introduced) > _METERS_KEPT:
            self._introduced.popitem(last=False)
        return True
