"""What a fault is: it strikes a target, and later it is over."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.stage import Stage

Act = Callable[[Stage, str, float], Awaitable[None]]
"""Does something to a target; the last argument, between 0 and 1, decides whatever the fault leaves open."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, or that people do in between, and comes to its end."""

    name: str
    lasts_s: tuple[float, float]
    strike: Act
    heal: Act
