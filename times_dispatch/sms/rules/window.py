"""Hours of the day in which one may send, in a zone of their own whatever the machine's (docs/domain.md section 5)."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOME = "Asia/Kolkata"
"""No daylight saving."""

_DAY_MIN = 24 * 60
_FORM = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9]) *[-–] *(?:([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00)")


class WindowInvalid(ValueError):
    """Not a window, or not a zone; the message follows the setting's name."""


class Window(NamedTuple):
    """Every day from one minute after midnight to another, which is not included any more."""

    from_min: int = 0
    until_min: int = _DAY_MIN
    zone: str = HOME

    @classmethod
    def parse(cls, text: str, zone: str = HOME) -> "Window":
        """Read ``10:00-21:00``; raise WindowInvalid. ``00:00-24:00`` is any time."""
        found = _FORM.fullmatch(text.strip())
        if not found:
            raise WindowInvalid(f"must be two times as in 10:00-21:00, is {text!r}")
        start = int(found[1]) * 60 + int(found[2])
        end = int(found[3]) * 60 + int(found[4]) if found[3] else _DAY_MIN
        if start >= end:
            raise WindowInvalid(f"must end after it begins, on the same day, is {text!r}")
        return cls(start, end, check_zone(zone))

    @property
    def always(self) -> bool:
        """Say whether it never closes."""
        return self.from_min == 0 and self.until_min == _DAY_MIN

    @property
    def never(self) -> bool:
        """Say whether it never opens, as one that was narrowed by another it does not meet; ask nothing else then."""
        return self.from_min >= self.until_min

    def is_open(self, moment: datetime) -> bool:
        """Say whether one may send at a moment (aware)."""
        there = moment.astimezone(ZoneInfo(self.zone))
        return self.from_min <= there.hour * 60 + there.minute < self.until_min

    def opening(self, moment: datetime) -> datetime:
        """Return the first moment from this one on at which it is open, in UTC."""
        if self.is_open(moment):
            return moment.astimezone(UTC)
        there = moment.astimezone(ZoneInfo(self.zone)).date()
        opens = self._at(there, self.from_min)
        # In the night when clocks are set forward, its hour may not be there.
        while opens < moment or not self.is_open(opens):
            there += timedelta(days=1)
            opens = self._at(there, self.from_min)
        return opens

    def closing(self, moment: datetime) -> datetime:
        """Return when it closes that is open at this moment, in UTC."""
        there = moment.astimezone(ZoneInfo(self.zone)).date()
        closes = self._at(there, self.until_min)
        # On the night when clocks are set back, the window may be open twice.
        return closes if closes > moment else self._at(there, self.until_min, fold=1)

    def open_s(self, start: datetime, end: datetime) -> float:
        """Count the seconds between two moments during which it is open."""
        if self.always:
            return max((end - start).total_seconds(), 0.0)
        seconds, moment = 0.0, self.opening(start)
        while moment < end:
            closes = self.closing(moment)
            seconds += (min(closes, end) - moment).total_seconds()
            moment = self.opening(closes)
        return seconds

    def finish(self, start: datetime, seconds: float, *, limit: datetime) -> datetime | None:
        """Say when so many seconds of sending are over; None if that is after the limit."""
        moment = self.opening(start)
        while moment < limit:
            closes = limit if self.always else self.closing(moment)
            if (open_s := (closes - moment).total_seconds()) >= seconds:
                finish = moment + timedelta(seconds=seconds)
                return finish if finish <= limit else None
            seconds -= open_s
            moment = self.opening(closes)
        return None

    def is_within(self, other: "Window", start: datetime, end: datetime) -> bool:
        """Say whether between two moments it is never open while the other is closed."""
        if other.always or (
            self.zone == other.zone and other.from_min <= self.from_min < self.until_min <= other.until_min
        ):
            return True
        moment = self.opening(start)
        while moment < end:
            closes = self.closing(moment)
            if not other.is_open(moment) or other.closing(moment) < min(closes, end):
                return False
            moment = self.opening(closes)
        return True

    def __str__(self) -> str:
        return f"{_clock(self.from_min)}-{_clock(self.until_min)} {self.zone}"

    def _at(self, day: date, minute: int, *, fold: int = 0) -> datetime:
        if minute == _DAY_MIN:
            day, minute = day + timedelta(days=1), 0
        there = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), ZoneInfo(self.zone))
        # Two times of one zone are compared and subtracted by their clocks' faces; in UTC they are moments.
        return there.astimezone(UTC)


def check_zone(zone: str) -> str:
    """Return the name of a zone; raise WindowInvalid if there is none of this name."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WindowInvalid(f"there is no zone {zone!r}; a zone is named as in {HOME}") from None
    return zone


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
