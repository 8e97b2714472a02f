"""A short form of ``make simulate``: a seed repeats a run, invariants hold, and missing safeguards are found."""

import subprocess
import sys

import pytest

from tests.simulation.exercises import Exercises
from tests.simulation.launch import RunFailed, Task, launch, task_of
from tests.simulation.mutations import MUTATIONS

EXERCISED = [name for name, mutation in MUTATIONS.items() if mutation.exercises]

pytestmark = pytest.mark.processes


def test_a_seed_repeats_a_run_exactly_and_every_invariant_holds() -> None:
    first, second = (launch(Task(1, storm_s=120.0)) for _ in range(2))

    assert first.violation == ""
    assert first.pushes > 50
    assert (first.digest, first.pushes, first.at_s) == (second.digest, second.pushes, second.at_s)


def test_every_exercise_holds() -> None:
    exercises = [exercise for name in EXERCISED for exercise in MUTATIONS[name].exercises]

    verdict = launch(Task(1, storm_s=0.0, exercises=exercises))

    assert verdict.violation == ""
    assert verdict.pushes > 500


def test_exercises_that_no_safeguard_names_hold() -> None:
    named = {exercise for mutation in MUTATIONS.values() for exercise in mutation.exercises}
    exercises = [name for name in dir(Exercises) if name not in {*named, "hold"} and not name.startswith("_")]

    verdict = launch(Task(1, storm_s=0.0, exercises=exercises))

    assert verdict.violation == ""
    assert verdict.pushes > 40


@pytest.mark.parametrize("name", [*EXERCISED, "not written ahead"])
def test_a_run_finds_what_happens_without_a_safeguard(name: str) -> None:
    verdict = launch(task_of(name, is_taken_out=True))

    assert verdict.violation.partition(":")[0] in MUTATIONS[name].kinds


def test_every_safeguard_can_be_taken_out_of_the_present_product() -> None:
    # In a process of its own, because the safeguards stay out. Several mutations change the same script.
    take_all_out = "from tests.simulation.mutations import MUTATIONS\nfor m in MUTATIONS.values(): m.apply()"

    taken_out = subprocess.run([sys.executable, "-c", take_all_out], capture_output=True, text=True, check=False)

    assert (taken_out.returncode, taken_out.stderr) == (0, "")


def test_a_run_that_has_used_its_cpu_time_says_what_it_was_doing() -> None:
    with pytest.raises(RunFailed) as failed:
        launch(Task(1, storm_s=3_600.0, max_cpu_s=2.0))

    reason = str(failed.value)
    assert "no end within 2 s of CPU time; in the last 0.2 s of them virtual time went on from" in reason
    assert (
        "It was in the storm; the tasks of the story that have not ended: Story._troubles, Story._campaigns" in reason
    )
    assert " is running: " in reason
    assert "This code was running:" in reason
