"""Chooses the times and targets of faults with a seed, so that a run can be repeated."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.chaos.fault import ChaosFault

T = TypeVar("T")


@dataclass(frozen=True)
class FaultSequence:
    """Faults that are injected one after another; faults of different sequences can overlap."""

    faults: tuple[ChaosFault, ...]
    targets: tuple[str, ...]
    until_s: float
    """The latest time at which a fault may begin."""
    first_s: float = 2.0
    """When the first fault begins. All times are seconds since the first campaigns of the scenario were submitted."""
    pause_s: tuple[float, float] = (1.0, 4.0)
    """The shortest and the longest pause between the end of a fault and the beginning of the next fault."""


@dataclass(frozen=True)
class ScheduledFault:
    """A fault with its time and target."""

    at_s: float
    fault: ChaosFault
    target: str
    duration_s: float
    random_value: float
    """A number from 0 to 1, which is passed to the fault's actions."""


def schedule(sequence: FaultSequence, seed: str) -> list[ScheduledFault]:
    """Return the faults of a sequence with their times. All faults occur once, in random order, before any recurs."""
    rng = random.Random(seed)
    faults, targets = _shuffled(sequence.faults, rng), _shuffled(sequence.targets, rng)
    scheduled, at_s = [], sequence.first_s
    while at_s < sequence.until_s:
        fault, target = next(faults), next(targets)
        duration_s = rng.uniform(*fault.duration_s)
        scheduled.append(ScheduledFault(at_s, fault, target, duration_s, rng.random()))
        at_s += duration_s + rng.uniform(*sequence.pause_s)
    return scheduled


def _shuffled(items: Sequence[T], rng: random.Random) -> Iterator[T]:
    while True:
        yield from rng.sample(items, len(items))
