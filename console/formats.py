"""Numbers, money and times as people of India write them, or in international form."""

import re
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from times_dispatch.sms.rules.send_window import INDIA_ZONE

INDIA: Final = ZoneInfo(INDIA_ZONE)
_TYPED_DAY: Final = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S


class Theme(StrEnum):
    """The colours of the pages."""

    AUTO = "auto"
    """The theme that the browser prefers."""
    LIGHT = "light"
    DARK = "dark"


class NumberForm(StrEnum):
    """How numbers and times are written."""

    INDIA = "india"
    """12,34,567 and 8 Nov 2026, 2:05 pm."""
    INTERNATIONAL = "international"
    """1,234,567 and 2026-11-08 14:05."""


class Preferences(msgspec.Struct, frozen=True):
    """The theme and the form of numbers that a person chose."""

    theme: Theme = Theme.AUTO
    form: NumberForm = NumberForm.INDIA


class Formats:
    """Writes values in the form that a person chose; all times are those of India."""

    def __init__(self, form: NumberForm = NumberForm.INDIA, *, now_s: float = 0) -> None:
        """Make the formats of one page.

        Args:
            form: the form of numbers and times.
            now_s: the time now in epoch seconds; a time of today is written without its date.
        """
        self.form = form
        self.now_s = now_s

    def number(self, number: float) -> str:
        """Return a whole number in groups of digits: ``12,34,567``."""
        whole = round(number)
        if self.form is NumberForm.INTERNATIONAL:
            return f"{whole:,}"
        return ("-" if whole < 0 else "") + _indian_groups(str(abs(whole)))

    def rupees(self, amount: Decimal) -> str:
        """Return an amount: ``Rs 1,476.48``."""
        sign, _, digits = f"{amount:+.2f}".partition("+") if amount >= 0 else ("-", "", f"{-amount:.2f}")
        whole, _, paise = digits.partition(".")
        groups = f"{int(whole):,}" if self.form is NumberForm.INTERNATIONAL else _indian_groups(whole)
        return f"Rs {sign}{groups}.{paise}"

    def percent(self, share: float | None) -> str:
        """Return a percentage: ``97.3 %``; a dash for None."""
        return "–" if share is None else f"{share:.1f} %"

    def share(self, number: int, whole: int) -> str:
        """Return a number's share of a whole: ``97.3 %``; a dash if the whole is 0."""
        return self.percent(100 * number / whole if whole else None)

    def rate(self, per_second: float) -> str:
        """Return a rate: ``1,200/s``; a rate below 10 has one decimal: ``0.5/s``."""
        return f"{per_second:.3g}/s" if 0 < per_second < 10 else f"{self.number(per_second)}/s"

    def limit(self, per_second: float) -> str:
        """Return the limit of a rate; 0 means no limit."""
        return self.rate(per_second) if per_second else "no limit"

    def moment(self, epoch_ms: float) -> str:
        """Return a time in India to the minute, without the date if it is today; a dash for 0."""
        return self._moment(epoch_ms, seconds=False)

    def second(self, epoch_ms: float) -> str:
        """Return a time in India to the second; a dash for 0."""
        return self._moment(epoch_ms, seconds=True)

    def iso(self, epoch_ms: float) -> str:
        """Return a time for programs, as in the attribute ``datetime`` of HTML."""
        return datetime.fromtimestamp(epoch_ms / 1000, INDIA).isoformat(timespec="seconds")

    def day(self, day: str) -> str:
        """Return a day that is given as ``2026-11-08`` in the chosen form."""
        if self.form is NumberForm.INTERNATIONAL:
            return day
        moment = datetime.fromisoformat(day)
        return f"{moment.day} {moment:%b %Y}"

    @property
    def form_of_typed_days(self) -> str:
        """Return how a person types a day, as a hint in the field. A field of type "date" has the browser's form."""
        return "yyyy-mm-dd" if self.form is NumberForm.INTERNATIONAL else "dd/mm/yyyy"

    def typed_day(self, day: date | None) -> str:
        """Return a day as a person types it: ``08/11/2026``; empty for None. ``day_typed`` reads it."""
        if day is None:
            return ""
        return day.isoformat() if self.form is NumberForm.INTERNATIONAL else f"{day:%d/%m/%Y}"

    def duration(self, seconds: float | None) -> str:
        """Return a length of time: ``45 s``, ``12 min 30 s``, ``3 h 20 min``, ``2 days``; a dash for None."""
        if seconds is None:
            return "–"
        if seconds < 10:
            return f"{seconds:.1f} s"
        whole = round(seconds)
        if whole < _MINUTE_S:
            return f"{whole} s"
        if whole < _HOUR_S:
            rest = whole % _MINUTE_S
            return f"{whole // _MINUTE_S} min" + (f" {rest} s" if rest and whole < 10 * _MINUTE_S else "")
        if whole < 2 * _DAY_S:
            rest = whole % _HOUR_S // _MINUTE_S
            return f"{whole // _HOUR_S} h" + (f" {rest} min" if rest else "")
        return f"{self.number(whole / _DAY_S)} days"

    def bytes(self, number: float) -> str:
        """Return an amount of memory: ``1.4 GB``."""
        for unit in ("bytes", "kB", "MB"):
            if number < 1000:
                return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
            number /= 1000
        return f"{number:.1f} GB"

    def _moment(self, epoch_ms: float, *, seconds: bool) -> str:
        if not epoch_ms:
            return "–"
        moment = datetime.fromtimestamp(epoch_ms / 1000, INDIA)
        is_today = moment.date() == datetime.fromtimestamp(self.now_s, INDIA).date()
        if self.form is NumberForm.INTERNATIONAL:
            clock = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
            return clock if is_today else f"{moment:%Y-%m-%d} {clock}"
        hour = moment.hour % 12 or 12
        clock = f"{hour}:{moment:%M:%S}" if seconds else f"{hour}:{moment:%M}"
        clock += " am" if moment.hour < 12 else " pm"
        return clock if is_today else f"{moment.day} {moment:%b %Y}, {clock}"


def day_typed(text: str) -> date | None:
    """Return the day that a person typed, or that stands in an address: ``8/11/2026`` or ``2026-11-08``.

    None for a text that is no day, or no day from 2000 to 2999.
    """
    typed = _TYPED_DAY.fullmatch(text.strip())
    try:
        day = date(int(typed[3]), int(typed[2]), int(typed[1])) if typed else date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day if 2000 <= day.year < 3000 else None


def _indian_groups(digits: str) -> str:
    """Return digits in Indian groups: the last three digits, and groups of two before them."""
    head, tail = digits[:-3], digits[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(groups), tail])
