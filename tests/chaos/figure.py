"""What a figure is: a measured value, the limit that a guarantee sets for it, and whether it holds."""

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
    """Whether the figure means little on an overloaded machine, which starts pushes late and in bursts."""
    amount: float = 0.0
    """The value as a number: of several runs, the one with the largest is the worst."""


def at_most(name: str, value: float, limit: float, *, unit: str = "", why: Sequence[str] = ()) -> ChaosFigure:
    """Return a figure that holds up to a limit."""
    return ChaosFigure(name, f"{value:,.6g}{unit}", f"≤ {limit:,.6g}{unit}", value <= limit, list(why), amount=value)


def at_least(name: str, value: float, limit: float, *, unit: str = "", why: Sequence[str] = ()) -> ChaosFigure:
    """Return a figure that holds from a limit on."""
    return ChaosFigure(name, f"{value:,.6g}{unit}", f"≥ {limit:,.6g}{unit}", value >= limit, list(why), amount=-value)
