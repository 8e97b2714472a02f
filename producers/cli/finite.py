"""Numbers on the command line that are numbers: Python's ``float`` also reads ``nan`` and ``inf``."""

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """A float within a range; neither ``nan``, which is in every range, nor ``inf``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number
