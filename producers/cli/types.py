"""Types of command-line arguments that click does not have."""

import math
import re
import time
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import click

from times_dispatch.settings.values.durations import parse_seconds
from times_dispatch.sms.rules.send_window import INDIA_ZONE

_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)


class DurationType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no argument here
    """A duration as in the settings, in seconds: ``24h``, ``7d``, ``90m``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds, or fail as click's types do."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DayType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no argument here
    """A day in India: ``2026-11-26``, ``today``, ``yesterday``, or a duration before now, as in ``7d``."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day, or fail as click's types do."""
        if isinstance(value, date):
            return value
        now, text = datetime.fromtimestamp(time.time(), ZoneInfo(INDIA_ZONE)), str(value)
        if text in {"today", "yesterday"}:
            return (now - timedelta(days=text == "yesterday")).date()
        try:
            if numbers := _DAY.fullmatch(text):
                return date(*map(int, numbers.groups()))
            return (now - timedelta(seconds=parse_seconds(text))).date()
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is no day; write 2026-11-26, today, yesterday or 7d", param, ctx)


def refuse_reversed_days(since: date | None, until: date | None) -> None:
    """Refuse a last day before the first day, because no message would be chosen.

    Raises:
        UsageError: the days are reversed.
    """
    if since and until and until < since:
        raise click.UsageError(f"--until {until} comes before --since {since}")


class WordType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no argument here
    """A member of an enum by its value; the help shows a short name, and the message about a wrong value all values."""

    def __init__(self, words: type[StrEnum], name: str) -> None:
        self._words = words
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> StrEnum:
        """Return the member, or fail as click's types do."""
        try:
            return self._words(value)
        except ValueError:
            self.fail(f"{value!r} is not one of {', '.join(self._words)}", param, ctx)


class PeriodType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no argument here
    """A period as in ``[retention]``, in seconds: ``14d``, ``1y``, ``0s``."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds, or fail as click's types do."""
        from times_dispatch.settings.tables.retention import parse_period_s  # noqa: PLC0415  # slow to import

        if isinstance(value, int):
            return value
        try:
            return 0 if value == "0s" else parse_period_s(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class CodesType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no argument here
    """Codes of responses and reports, joined by commas: ``910,912``."""

    name = "codes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[int]:
        """Return the codes, or fail as click's types do."""
        if isinstance(value, frozenset):
            return value
        words = [word.strip() for word in str(value).split(",") if word.strip()]
        if not all(word.isascii() and word.isdecimal() and len(word) <= 5 for word in words):
            self.fail(f"{value!r} is no list of codes; write them as in 910,912", param, ctx)
        return frozenset(map(int, words))


class FiniteFloatRange(click.FloatRange):
    """A float within a range. Click's own type also accepts ``inf``, and ``nan``, which passes every comparison."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail as click's types do."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number
