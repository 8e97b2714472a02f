"""Runs of the simulation, each in a process of its own: a run changes its process for good, and must end in time."""

import os
import subprocess
import sys
from typing import NoReturn

import msgspec

from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import SimulationVerdict, run


class RunFailed(Exception):
    """A run ended without a verdict."""


class Task(msgspec.Struct):
    """What one run is to do."""

    seed: int
    storm_s: float
    night_s: float | None = None
    """How long the quiet hours after the faults are at least; None is none."""
    faults: list[str] | None = None
    """The names of the faults that happen; None is all of them."""
    exercises: list[str] | None = None
    """The names of the exercises that are held instead of a storm; None is a storm."""
    mutation: str = ""
    """The safeguard that is taken out of the product; empty is none."""


def task_of(name: str, *, is_taken_out: bool) -> Task:
    """Return the run that shows what a safeguard is for, with the safeguard or without it."""
    mutation = MUTATIONS[name]
    return Task(
        mutation.seed,
        mutation.storm_s,
        faults=list(mutation.faults) if mutation.faults is not None else None,
        exercises=list(mutation.exercises) or None,
        mutation=name if is_taken_out else "",
    )


def launch(task: Task, *, timeout_s: float = 1_800.0) -> SimulationVerdict:
    """Run a task in a process of its own and return its verdict; raises ``RunFailed``."""
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "work"],
            input=msgspec.json.encode(task),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            # The order of a set of texts would differ from run to run.
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"seed {task.seed}: no end within {timeout_s:g} s of real time") from error
    if ended.returncode or ended.stderr:
        raise RunFailed(f"seed {task.seed}: failed\n{ended.stderr.decode()[-4_000:]}")
    return msgspec.json.decode(ended.stdout, type=SimulationVerdict)


def work() -> NoReturn:
    """Do the task that stands on standard input, and end the process."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    if task.mutation:
        MUTATIONS[task.mutation].apply()
    verdict = run(task.seed, storm_s=task.storm_s, night_s=task.night_s, faults=task.faults, exercises=task.exercises)
    sys.stdout.buffer.write(msgspec.json.encode(verdict))
    sys.stdout.buffer.flush()
    os._exit(0)  # killed processes of the simulation have left tasks behind, which must not run their ends
