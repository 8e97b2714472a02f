"""A short form of ``make simulate``: a seed repeats itself, holds its promises, and finds what is taken out."""

import pytest

from tests.simulation.launch import Task, launch
from tests.simulation.mutations import MUTATIONS

pytestmark = pytest.mark.processes


def test_a_seed_repeats_a_run_exactly_and_every_invariant_holds() -> None:
    first, second = (launch(Task(1, storm_s=120.0)) for _ in range(2))

    assert first.violation == ""
    assert first.pushes > 50
    assert (first.digest, first.pushes, first.at_s) == (second.digest, second.pushes, second.at_s)


@pytest.mark.parametrize(
    ("name", "seed", "storm_s"), [("not written ahead", 1, 20.0), ("lost messages are pending", 4, 150.0)]
)
def test_a_run_finds_what_happens_without_a_safeguard(name: str, seed: int, storm_s: float) -> None:
    mutation = MUTATIONS[name]
    faults = list(mutation.faults) if mutation.faults is not None else None

    verdict = launch(Task(seed, storm_s=storm_s, faults=faults, mutation=name))

    assert verdict.violation.partition(":")[0] in mutation.kinds
