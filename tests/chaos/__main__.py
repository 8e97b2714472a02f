"""``python -m tests.chaos``: inject every fault, compute the figures, and fail unless every guarantee holds."""

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console

from tests.chaos.figures import GAP_S
from tests.chaos.output import event_lines, failure_lines, figure_table, machine_load, run_as_json, scenario_table
from tests.chaos.run import Result, RunFailed, run
from tests.chaos.scenarios import RunPlan, run_plans
from tests.chaos.testbed import ChaosTestbed
from tests.chaos.verdict import RunVerdict
from times_dispatch.demo.processes import ProcessFailed

LEASE_S = 15.0
"""The lease of workers in production."""

_RUN_TIMEOUT_S = 480.0
_MIN_WIDTH = 110
"""Columns of output that is not a terminal: tables are unreadable when they are broken at 80."""


@click.command()
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Repeats a run's faults. [default: another each time]")
@click.option(
    "--only", "wanted", multiple=True, help="A scenario's name, or its beginning; can be given more than once."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; everything else goes to stderr.")
@click.option("--keep", type=click.Path(path_type=Path), help="Copy logs and journals of each run into this folder.")
def main(seed: int | None, wanted: tuple[str, ...], keep: Path | None, *, as_json: bool) -> None:
    """Send campaigns through real processes while everything goes wrong: each fault alone, then all together."""
    signal.signal(signal.SIGTERM, _interrupt)
    out = Console(highlight=False, soft_wrap=True, stderr=as_json)
    out.width = max(out.width, _MIN_WIDTH)
    seed = random.randrange(2**31) if seed is None else seed
    chosen = _chosen(wanted)
    out.print(f"seed {seed} (SEED={seed} make chaos repeats the faults)")
    began = time.monotonic()
    runs = [{"run": plan.name, **_run(plan, seed, out, keep)} for plan in chosen]
    holds = all(run["holds"] for run in runs)
    seconds = time.monotonic() - began
    result = "[green]every guarantee holds[/]" if holds else "[red]not every guarantee holds[/]"
    out.print(f"\n{result}, {seconds:.0f} s in all")
    if as_json:
        click.echo(json.dumps({"seed": seed, "holds": holds, "seconds": round(seconds), "runs": runs}))
    sys.exit(0 if holds else 1)


def _chosen(wanted: tuple[str, ...]) -> list[RunPlan]:
    every = run_plans(LEASE_S)
    if not wanted:
        return every
    beginnings = tuple(name.lower() for name in wanted)
    chosen = []
    for plan in every:
        scenarios = [scenario for scenario in plan.scenarios if scenario.name.lower().startswith(beginnings)]
        if scenarios:
            chosen.append(replace(plan, scenarios=scenarios))
    if not chosen:
        names = ", ".join(scenario.name for plan in every for scenario in plan.scenarios)
        raise click.UsageError(f"no scenario begins like that; there are {names}")
    return chosen


def _run(plan: RunPlan, seed: int, out: Console, keep: Path | None) -> dict[str, Any]:
    """Run a plan and show its figures; return the run as an object for JSON."""
    out.print(f"\n[bold]{plan.name}[/]: {sum(scenario.messages for scenario in plan.scenarios):,} messages")
    try:
        with ChaosTestbed(seed=seed, lease_s=LEASE_S) as testbed:
            try:
                verdict = RunVerdict(asyncio.run(_bounded(testbed, plan, out)), GAP_S)
            except (RunFailed, ProcessFailed):
                _print(event_lines(testbed), out)
                raise
            finally:
                if keep:
                    testbed.copy_logs(keep / plan.name.replace(" ", "-"))
            _show(verdict, testbed, out)
            return run_as_json(verdict)
    except (RunFailed, ProcessFailed) as failed:
        out.print(str(failed), markup=False, style="red")
        return {"holds": False, "failed": str(failed)}


def _show(verdict: RunVerdict, testbed: ChaosTestbed, out: Console) -> None:
    out.print(scenario_table(verdict))
    out.print(figure_table(verdict))
    out.print(f"[dim]{machine_load(verdict)}[/]")
    if not verdict.holds:
        _print(failure_lines(verdict), out)
        _print(event_lines(testbed), out)


def _print(lines: Iterable[str], out: Console) -> None:
    for line in lines:
        out.print(line, markup=False)


async def _bounded(testbed: ChaosTestbed, plan: RunPlan, out: Console) -> Result:
    try:
        async with asyncio.timeout(_RUN_TIMEOUT_S):
            return await run(testbed, plan, progress=lambda line: out.print(f"  {line}"))
    except TimeoutError:
        raise RunFailed(f"the run did not end within {_RUN_TIMEOUT_S:.0f} s") from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
