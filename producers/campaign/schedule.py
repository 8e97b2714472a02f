"""When a campaign may be sent: from its start to its end, in the hours that its sender, category and itself allow."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from producers.campaign.table import CampaignTable
from times_dispatch.settings.document import Document
from times_dispatch.settings.durations import parse_seconds
from times_dispatch.sms.rules.window import Window

_VALIDITY = "24h"
_FARTHEST = timedelta(days=400)
"""From now to a start or an end: beyond it is a slip of the pen."""


class Times(NamedTuple):
    """A schedule as of one moment; all in UTC."""

    start: datetime | None
    """Before which nothing is sent; None is at once."""
    opens: datetime
    """When the first message may go."""
    ends: datetime
    """When what is not sent expires."""


class Schedule:
    """The times in a campaign file; ``allowed`` are the hours of its sender and category."""

    def __init__(self, table: CampaignTable, allowed: Window, document: Document) -> None:
        self._table = table
        self._allowed = allowed
        self._document = document
        self.window = Window.parse(table.window, table.zone) if table.window else allowed
        self._start = self._moment(table.start_at)
        self._finish_by = self._moment(table.finish_by)

    def at(self, now: datetime) -> Times:
        """Return the times if it is submitted now."""
        opens = self.window.next_opening(max(now, self._start or now))
        validity = timedelta(seconds=parse_seconds(self._table.validity or _VALIDITY))
        return Times(self._start, opens, self._finish_by or opens + validity)

    def mistakes(self, now: datetime) -> Iterator[str]:
        """Say why it cannot be sent if it is submitted now."""
        table, mistake = self._table, self._document.mistake
        times = self.at(now)
        if too_far := [field for field, moment in self._moments(times) if moment > now + _FARTHEST]:
            yield mistake((too_far[0],), f"is more than {_FARTHEST.days} days away")
            return
        if self._start and self._start < now and table.missed_start != "send":
            yield mistake(("start_at",), f"is past, and missed_start = {table.missed_start} does not send it late")
        if self._finish_by and self._finish_by <= max(now, self._start or now):
            yield mistake(("finish_by",), "is past" if self._finish_by <= now else "must be after start_at")
        elif times.opens >= times.ends:
            yield mistake((self._end,), f"is over before it may be sent, in the hours {self.window}")
        elif not self.window.is_within(self._allowed, times.opens, times.ends):
            yield mistake(("window",), f"goes beyond the hours in which it may be sent, {self._allowed}")

    def waits(self, now: datetime) -> str:
        """Say that the first message has to wait for the window; empty if it has not."""
        start = max(now, self._start or now)
        opens = self.window.next_opening(start)
        if opens <= start:
            return ""
        there = opens.astimezone(ZoneInfo(self.window.zone))
        return f"nothing is sent before {there:%Y-%m-%d %H:%M} {self.window.zone}: the hours are {self.window}"

    @property
    def _end(self) -> str:
        return "finish_by" if self._finish_by else "validity"

    def _moments(self, times: Times) -> list[tuple[str, datetime]]:
        return [("start_at", times.opens), (self._end, times.ends)]

    def _moment(self, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self._table.zone))).astimezone(UTC)
