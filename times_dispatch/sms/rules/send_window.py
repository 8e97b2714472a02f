"""The hours of the day, in a time zone, in which messages may be sent (docs/domain.md section 5).

``ledger/lua/lib/send_window.lua`` enforces the hours: outside of them the ledger opens no block.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

INDIA_ZONE = "Asia/Kolkata"
"""India has no daylight saving time."""

_DAY_MIN = 24 * 60
_FORM = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9]) *[-–] *(?:([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00)")


class SendWindowInvalid(ValueError):
    """A text that is not a window or not a time zone.

    The message is a reason, to be written after the setting's name.
    """


class SendWindow(NamedTuple):
    """The same hours of every day, from the minute ``from_min`` until just before the minute ``until_min``."""

    from_min: int = 0
    """Minutes since midnight."""
    until_min: int = _DAY_MIN
    """Minutes since midnight."""
    zone: str = INDIA_ZONE

    @classmethod
    def parse(cls, text: str, zone: str = INDIA_ZONE) -> "SendWindow":
        """Parse a window such as ``10:00-21:00``; raise SendWindowInvalid. ``00:00-24:00`` is always open."""
        match = _FORM.fullmatch(text.strip())
        if not match:
            raise SendWindowInvalid(f"must be two times as in 10:00-21:00, is {text!r}")
        start = int(match[1]) * 60 + int(match[2])
        end = int(match[3]) * 60 + int(match[4]) if match[3] else _DAY_MIN
        if start >= end:
            raise SendWindowInvalid(f"must end after it begins, on the same day, is {text!r}")
        return cls(start, end, check_zone(zone))

    @property
    def is_always_open(self) -> bool:
        """Return whether the window never closes."""
        return self.from_min == 0 and self.until_min == _DAY_MIN

    @property
    def is_never_open(self) -> bool:
        """Return whether the window never opens.

        The intersection of two windows without a common minute never opens. For such a window, no other method may be
        called.
        """
        return self.from_min >= self.until_min

    def is_open(self, moment: datetime) -> bool:
        """Return whether the window is open at a moment, a datetime with a time zone."""
        local = moment.astimezone(ZoneInfo(self.zone))
        return self.from_min <= local.hour * 60 + local.minute < self.until_min

    def next_opening(self, moment: datetime) -> datetime:
        """Return the first moment, from the given moment on, at which the window is open, in UTC."""
        if self.is_open(moment):
            return moment.astimezone(UTC)
        day = moment.astimezone(ZoneInfo(self.zone)).date()
        opens = self._at(day, self.from_min)
        # In the night when clocks are set forward, the hour of the opening may not exist.
        while opens < moment or not self.is_open(opens):
            day += timedelta(days=1)
            opens = self._at(day, self.from_min)
        return opens

    def next_closing(self, moment: datetime) -> datetime:
        """Return the moment, in UTC, at which the window closes; the window must be open at the given moment."""
        day = moment.astimezone(ZoneInfo(self.zone)).date()
        closes = self._at(day, self.until_min)
        # In the night when clocks are set back, the window may be open twice.
        return closes if closes > moment else self._at(day, self.until_min, fold=1)

    def open_s(self, start: datetime, end: datetime) -> float:
        """Return the seconds between two moments during which the window is open."""
        if self.is_always_open:
            return max((end - start).total_seconds(), 0.0)
        seconds, moment = 0.0, self.next_opening(start)
        while moment < end:
            closes = self.next_closing(moment)
            seconds += (min(closes, end) - moment).total_seconds()
            moment = self.next_opening(closes)
        return seconds

    def finish(self, start: datetime, seconds: float, *, limit: datetime) -> datetime | None:
        """Return when the window has been open for ``seconds`` since ``start``; None if that is after ``limit``."""
        moment = self.next_opening(start)
        while moment < limit:
            closes = limit if self.is_always_open else self.next_closing(moment)
            if (open_s := (closes - moment).total_seconds()) >= seconds:
                finish = moment + timedelta(seconds=seconds)
                return finish if finish <= limit else None
            seconds -= open_s
            moment = self.next_opening(closes)
        return None

    def is_within(self, other: "SendWindow", start: datetime, end: datetime) -> bool:
        """Return whether, between two moments, the other window is open whenever this window is open."""
        if other.is_always_open or (
            self.zone == other.zone and other.from_min <= self.from_min < self.until_min <= other.until_min
        ):
            return True
        moment = self.next_opening(start)
        while moment < end:
            closes = self.next_closing(moment)
            if not other.is_open(moment) or other.next_closing(moment) < min(closes, end):
                return False
            moment = self.next_opening(closes)
        return True

    def __str__(self) -> str:
        return f"{_clock(self.from_min)}-{_clock(self.until_min)} {self.zone}"

    def _at(self, day: date, minute: int, *, fold: int = 0) -> datetime:
        if minute == _DAY_MIN:
            day, minute = day + timedelta(days=1), 0
        local = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), ZoneInfo(self.zone))
        # The result is in UTC, because Python compares and subtracts datetimes of one zone by wall-clock times.
        return local.astimezone(UTC)


def check_zone(zone: str) -> str:
    """Return the name of a time zone; raise SendWindowInvalid if there is no zone of this name."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SendWindowInvalid(f"there is no zone {zone!r}; a zone is named as in {INDIA_ZONE}") from None
    return zone


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
