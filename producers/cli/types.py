"""Types of command-line arguments beyond click's own."""

import math
from typing import Any

import click

from times_dispatch.settings.durations import parse_seconds


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


class PeriodType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no argument here
    """A period as in ``[retention]``, in seconds: ``14d``, ``1y``, ``0s``."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds, or fail as click's types do."""
        from times_dispatch.settings.retention import parse_period_s  # noqa: PLC0415  # slow to import

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
    """A float within a range. Click's own type accepts ``nan``, which passes every comparison, and ``inf``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail as click's types do."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number
