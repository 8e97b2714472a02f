"""What a fault is: an action that injects it into a target, and an action that ends it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.testbed import ChaosTestbed

FaultAction = Callable[[ChaosTestbed, str, float], Awaitable[None]]
"""Acts on a target. The last argument is a random number from 0 to 1, for whatever the fault leaves open."""


@dataclass(frozen=True)
class ChaosFault:
    """A failure, or an action of an operator, that lasts for a while and is then undone."""

    name: str
    duration_s: tuple[float, float]
    """The shortest and the longest duration, in seconds."""
    inject: FaultAction
    recover: FaultAction
