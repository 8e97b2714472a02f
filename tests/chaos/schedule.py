"""When which fault strikes whom: dealt from a seed, so that a run can be repeated."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.chaos.fault import Fault

T = TypeVar("T")


@dataclass(frozen=True)
class Lane:
    """Faults that come one after the other; those of different lanes may coincide."""

    faults: tuple[Fault, ...]
    targets: tuple[str, ...]
    until_s: float
    first_s: float = 2.0
    pause_s: tuple[float, float] = (1.0, 4.0)
    """Between the end of one fault and the next: at least, at most."""


@dataclass(frozen=True)
class Step:
    """One fault at its time."""

    at_s: float
    """Since the first campaigns of the scenario were submitted."""
    fault: Fault
    target: str
    lasts_s: float
    chance: float
    """Between 0 and 1; for whatever else the fault leaves open."""


def deal(lane: Lane, seed: str) -> list[Step]:
    """Deal the faults of a lane: each once, in a random order, before any comes again."""
    chance = random.Random(seed)
    faults, targets = _shuffled(lane.faults, chance), _shuffled(lane.targets, chance)
    steps, at_s = [], lane.first_s
    while at_s < lane.until_s:
        fault, target = next(faults), next(targets)
        lasts_s = chance.uniform(*fault.lasts_s)
        steps.append(Step(at_s, fault, target, lasts_s, chance.random()))
        at_s += lasts_s + chance.uniform(*lane.pause_s)
    return steps


def _shuffled(items: Sequence[T], chance: random.Random) -> Iterator[T]:
    while True:
        yield from chance.sample(items, len(items))
