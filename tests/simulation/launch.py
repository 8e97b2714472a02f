"""Runs of the simulation, each in its own process: a run changes its process permanently."""

import os
import subprocess
import sys
from typing import NoReturn

import msgspec

from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import MAX_CPU_S, SimulationVerdict, run


class RunFailed(Exception):
    """A run ended without a verdict."""


class Task(msgspec.Struct):
    """The arguments of one run."""

    seed: int
    storm_s: float
    night_s: float | None = None
    """The shortest duration of the quiet hours after the faults, in seconds; None for no quiet hours."""
    faults: list[str] | None = None
    """The names of the faults to inject; None for all faults."""
    exercises: list[str] | None = None
    """The names of the exercises to hold instead of a storm; None for a storm."""
    mutation: str = ""
    """The safeguard that is taken out of the product; empty for none."""
    max_cpu_s: float = MAX_CPU_S
    """How much CPU time the run may use, in seconds."""


def task_of(name: str, *, is_taken_out: bool) -> Task:
    """Return the run that fails without a safeguard, with the safeguard or without it."""
    mutation = MUTATIONS[name]
    return Task(
        mutation.seed,
        mutation.storm_s,
        faults=list(mutation.faults) if mutation.faults is not None else None,
        exercises=list(mutation.exercises) or None,
        mutation=name if is_taken_out else "",
    )


def launch(task: Task) -> SimulationVerdict:
    """Run a task in its own process and return the verdict; raise ``RunFailed``."""
    # There is no time-out here: the run ends itself when it has used its CPU time, or when its server does not answer.
    ended = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "work"],
        input=msgspec.json.encode(task),
        capture_output=True,
        check=False,
        # Without a fixed hash seed, the order of a set of texts would differ between runs.
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    if ended.returncode or ended.stderr:
        raise RunFailed(f"seed {task.seed}: failed\n{ended.stderr.decode()[-4_000:]}")
    return msgspec.json.decode(ended.stdout, type=SimulationVerdict)


def work() -> NoReturn:
    """Read a task from standard input, run it, and end the process."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    if task.mutation:
        MUTATIONS[task.mutation].apply()
    verdict = run(
        task.seed,
        storm_s=task.storm_s,
        night_s=task.night_s,
        faults=task.faults,
        exercises=task.exercises,
        max_cpu_s=task.max_cpu_s,
    )
    sys.stdout.buffer.write(msgspec.json.encode(verdict))
    sys.stdout.buffer.flush()
    os._exit(0)  # tasks of killed processes of the simulation must not run their ``finally`` blocks
