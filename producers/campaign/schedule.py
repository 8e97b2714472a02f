"""The times of a campaign: its start, its end, and the hours that its sender, category and file allow."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from producers.campaign.table import CampaignTable
from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.values.durations import format_duration, parse_seconds
from times_dispatch.sms.rules.send_window import SendWindow

_DEFAULT_VALIDITY = "24h"
_MAX_DISTANCE = timedelta(days=400)
"""The longest time from now to a start or an end; a later date is refused as a typing error."""


_MAX_LATE = timedelta(minutes=15)
"""The longest time from a start to now; an earlier start is refused, because the campaign would be sent at once."""


class Times(NamedTuple):
    """The times of a schedule, in UTC, if the campaign is submitted at a given moment."""

    start: datetime | None
    """The time before which no message is sent; None means at once."""
    opens: datetime
    """When the first message may be sent: at the start, or when the send window next opens."""
    ends: datetime
    """When unsent messages expire."""


class Schedule:
    """The times in a campaign file.

    Args:
        table: the fields of the campaign file.
        allowed: the hours of the campaign's sender and category.
        document: the campaign file, which knows the line of each field.
        at_once: whether a start that is past is allowed, so that the campaign is sent at once.
    """

    def __init__(self, table: CampaignTable, allowed: SendWindow, document: Document, *, at_once: bool = False) -> None:
        self._at_once = at_once
        self._table = table
        self.allowed = allowed
        self._document = document
        self.window = SendWindow.parse(table.window, table.zone) if table.window else allowed
        self._start = self._in_utc(table.start_at)
        self._finish_by = self._in_utc(table.finish_by)

    def at(self, now: datetime) -> Times:
        """Return the times if the campaign is submitted at *now*."""
        opens = self.window.next_opening(max(now, self._start or now))
        validity = timedelta(seconds=parse_seconds(self._table.validity or _DEFAULT_VALIDITY))
        return Times(self._start, opens, self._finish_by or opens + validity)

    def mistakes(self, now: datetime) -> Iterator[str]:
        """Return the mistakes in fields that keep the campaign from being sent if it is submitted at *now*."""
        table, mistake = self._table, self._document.mistake
        times = self.at(now)
        moments = (("start_at", times.opens), (self._end_field, times.ends))
        if too_far := [field for field, moment in moments if moment > now + _MAX_DISTANCE]:
            yield mistake((too_far[0],), f"is more than {_MAX_DISTANCE.days} days away")
            return
        if self._start and self._start < now and table.missed_start != "send":
            yield mistake(("start_at",), f"is past, and missed_start = {table.missed_start} does not send it late")
        elif self._start and self._start < now - _MAX_LATE and not self._at_once:
            late = format_duration((now - self._start).total_seconds())
            yield mistake(("start_at",), f"passed {late} ago; give another time, or send at once with --now")
        if self._finish_by and self._finish_by <= max(now, self._start or now):
            yield mistake(("finish_by",), "is past" if self._finish_by <= now else "must be after start_at")
        elif times.opens >= times.ends:
            yield mistake((self._end_field,), f"ends before the first message may be sent, in the hours {self.window}")
        elif not self.window.is_within(self.allowed, times.opens, times.ends):
            yield mistake(("window",), f"goes beyond the hours in which the campaign may be sent, {self.allowed}")

    def waiting_warning(self, now: datetime) -> str:
        """Return a warning if the first message has to wait for the send window; otherwise an empty text."""
        start = max(now, self._start or now)
        opens = self.window.next_opening(start)
        if opens <= start:
            return ""
        local = opens.astimezone(ZoneInfo(self.window.zone))
        return f"nothing is sent before {local:%Y-%m-%d %H:%M} {self.window.zone}: the hours are {self.window}"

    @property
    def _end_field(self) -> str:
        return "finish_by" if self._finish_by else "validity"

    def _in_utc(self, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self._table.zone))).astimezone(UTC)
