"""Types of command-line arguments beyond click's own."""

import math
from typing import Any

import click


class FiniteFloatRange(click.FloatRange):
    """A float within a range. Click's own type accepts ``nan``, which passes every comparison, and ``inf``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail as click's types do."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number
