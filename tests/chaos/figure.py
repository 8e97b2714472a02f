"""The definition of a figure: a measured value, the limit that a guarantee sets, and whether the value holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ChaosFigure:
    """One measured value with its limit; a row of the table."""

    name: str
    value: str
    must_be: str
    holds: bool
    why: list[str] = field(default_factory=list)
    """Details for a figure that does not hold."""
    needs_quiet: bool = False
    """Whether the figure is unreliable on an overloaded machine, which starts pushes late and in bursts."""
    amount: float = 0.0
    """The value as a number: the run with the largest number is the worst of several runs."""


def at_most(name: str, value: float, limit: float, *, unit: str = "", why: Sequence[str] = ()) -> ChaosFigure:
    """Return a figure that holds if the value is at most the limit.

    Args:
        name: the name of the figure.
        value: the measured value.
        limit: the greatest value that holds.
        unit: the unit, which is written behind value and limit.
        why: details for a figure that does not hold.
    """
    return ChaosFigure(name, f"{value:,.6g}{unit}", f"≤ {limit:,.6g}{unit}", value <= limit, list(why), amount=value)


def at_least(name: str, value: float, limit: float, *, unit: str = "", why: Sequence[str] = ()) -> ChaosFigure:
    """Return a figure that holds if the value is at least the limit.

    Args:
        name: the name of the figure.
        value: the measured value.
        limit: the smallest value that holds.
        unit: the unit, which is written behind value and limit.
        why: details for a figure that does not hold.
    """
    return ChaosFigure(name, f"{value:,.6g}{unit}", f"≥ {limit:,.6g}{unit}", value >= limit, list(why), amount=-value)
