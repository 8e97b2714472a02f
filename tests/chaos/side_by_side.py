"""Runs plans that leave most of the machine idle at the same time, each in its own process."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.scenario import RunPlan
from times_dispatch.demo.processes import clean_environment

_AT_ONCE = 2


def groups(plans: Sequence[RunPlan]) -> list[list[RunPlan]]:
    """Return the plans in groups that run one after another; the plans of a group run at the same time."""
    light = [plan for plan in plans if plan.is_light]
    alone = [[plan] for plan in plans if not plan.is_light]
    return alone + [light[first : first + _AT_ONCE] for first in range(0, len(light), _AT_ONCE)]


@dataclass(frozen=True)
class _Child:
    name: str
    seed: int
    process: subprocess.Popen[bytes]
    result: Path
    told: Path


def run_side_by_side(
    plans: Sequence[RunPlan], *, seed: int, keep: Path | None, timeout_s: float
) -> list[tuple[str, dict[str, Any]]]:
    """Run plans at the same time; return, for each plan, the output of its process and the run as an object for JSON.

    Args:
        plans: The runs; each has one scenario.
        seed: The seed of all runs.
        keep: A folder for the logs of the runs; None keeps no logs.
        timeout_s: Seconds after which a run is ended.
    """
    with tempfile.TemporaryDirectory(prefix="times-dispatch-runs-") as folder:
        children: list[_Child] = []
        try:
            children.extend(_start(plan, seed, keep, Path(folder)) for plan in plans)
            return [_finish(child, timeout_s) for child in children]
        finally:
            for child in children:
                if child.process.poll() is None:
                    child.process.terminate()
                    child.process.wait()


def _start(plan: RunPlan, seed: int, keep: Path | None, folder: Path) -> _Child:
    scenario = plan.scenarios[0].name
    command = [sys.executable, "-m", "tests.chaos", "--seed", str(seed), "--json", "--only", scenario]
    if keep:
        command += ["--keep", str(keep.resolve())]
    result, told = folder / f"{scenario}.json", folder / f"{scenario}.txt"
    environment = {**clean_environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    with result.open("wb") as stdout, told.open("wb") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment)
    return _Child(plan.name, seed, process, result, told)


def _finish(child: _Child, timeout_s: float) -> tuple[str, dict[str, Any]]:
    failed = "the run ended without a result"
    try:
        child.process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        failed = f"the run did not end within {timeout_s:.0f} s"
    try:
        run: dict[str, Any] = json.loads(child.result.read_bytes())["runs"][0]
    except ValueError:
        run = {"run": child.name, "seed": child.seed, "holds": False, "failed": failed}
    return child.told.read_text("utf-8", "replace"), run
