"""The definition of a fault: an action that injects the fault into a target, and an action that ends the fault."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.testbed import ChaosTestbed

FaultAction = Callable[[ChaosTestbed, str, float], Awaitable[None]]
"""Acts on a target. The last argument is a random number from 0 to 1, for a choice that the action makes."""


@dataclass(frozen=True)
class ChaosFault:
    """A failure, or an action of an operator, that lasts for some time and is then undone."""

    name: str
    duration_s: tuple[float, float]
    """The shortest and the longest duration, in seconds."""
    inject: FaultAction
    recover: FaultAction
