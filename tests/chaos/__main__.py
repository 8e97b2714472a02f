"""``python -m tests.chaos``: inject every fault, compute the figures, and fail unless every guarantee holds."""

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console

from tests.chaos.busy_load import BUSY_SHARE, busy_machine
from tests.chaos.faked_clock import HOW_TO_INSTALL, find_library, is_required
from tests.chaos.figures import GAP_S
from tests.chaos.output import event_lines, failure_lines, figure_table, machine_load, run_as_json, scenario_table
from tests.chaos.run import ChaosResult, ChaosRunFailed, run
from tests.chaos.scenario import RunPlan
from tests.chaos.scenarios import run_plans
from tests.chaos.side_by_side import groups, run_side_by_side
from tests.chaos.summary import summary_table
from tests.chaos.testbed import ChaosTestbed
from tests.chaos.verdict import RunVerdict
from times_dispatch.demo.processes import ProcessFailed

LEASE_S = 15.0
"""The lease of workers in production, in seconds."""

_RUN_TIMEOUT_S = 480.0
_ENDS_WITHIN_S = 60.0
"""Seconds that a run in its own process may take longer, for the start, the figures and the end of the process."""
_MIN_WIDTH = 110
"""Width of output that is not a terminal, in columns: tables that are wrapped at 80 columns are unreadable."""

_MAX_SEED = 2**31 - 1


def _seeds(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """Return the seeds in a text such as 7,11,42."""
    try:
        seeds = [int(seed) for seed in value.split(",") if value]
    except ValueError:
        raise click.BadParameter("seeds are whole numbers with commas between them, like 7,11,42") from None
    if not all(0 <= seed <= _MAX_SEED for seed in seeds):
        raise click.BadParameter(f"a seed is from 0 to {_MAX_SEED}")
    return seeds


@click.command()
@click.option("--seed", type=click.IntRange(0, _MAX_SEED), help="Seed of the faults. [default: a random number]")
@click.option("--seeds", default="", callback=_seeds, help="Several seeds, for one run after another: 7,11,42.")
@click.option("--busy", "is_busy", is_flag=True, help=f"Keep every core {BUSY_SHARE:.0%} busy with other work.")
@click.option(
    "--only", "wanted", multiple=True, help="A scenario's name, or its beginning; can be given more than once."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; everything else goes to stderr.")
@click.option("--keep", type=click.Path(path_type=Path), help="Copy logs and journals of each run into this folder.")
def main(
    seed: int | None,
    seeds: list[int],
    wanted: tuple[str, ...],
    keep: Path | None,
    *,
    is_busy: bool,
    as_json: bool,
) -> None:
    """Send campaigns through real processes while faults are injected: first each fault alone, then all together."""
    signal.signal(signal.SIGTERM, _interrupt)
    out = Console(highlight=False, soft_wrap=True, stderr=as_json)
    out.width = max(out.width, _MIN_WIDTH)
    if seed is not None and seeds:
        raise click.UsageError("give --seed or --seeds, not both")
    if not seeds:
        seeds = [random.randrange(2**31) if seed is None else seed]
    chosen = _chosen(wanted)
    began = time.monotonic()
    runs = []
    with busy_machine(BUSY_SHARE if is_busy else 0.0, max_s=len(seeds) * len(chosen) * _RUN_TIMEOUT_S):
        for number in seeds:
            out.print(f"seed {number} (SEED={number} make chaos repeats the faults)")
            folder = keep / str(number) if keep and len(seeds) > 1 else keep
            of_seed = list(
                chain.from_iterable(_run_group(group, number, out, folder, is_busy=is_busy) for group in groups(chosen))
            )
            if len(of_seed) > 1:
                out.print(f"\n[bold]all runs of seed {number}[/]")
                out.print(summary_table(of_seed))
            runs += of_seed
    holds = all(run["holds"] for run in runs)
    seconds = time.monotonic() - began
    result = "[green]every guarantee holds[/]" if holds else "[red]not every guarantee holds[/]"
    out.print(f"\n{result}, {seconds:.0f} s in all")
    if as_json:
        click.echo(json.dumps({"seeds": seeds, "holds": holds, "seconds": round(seconds), "runs": runs}))
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


def _run_group(
    plans: Sequence[RunPlan], seed: int, out: Console, keep: Path | None, *, is_busy: bool
) -> list[dict[str, Any]]:
    """Run plans side by side, or a single plan in this process; return the runs as objects for JSON.

    Args:
        plans: The runs.
        seed: The seed of all runs.
        out: The console on which the figures are shown.
        keep: A folder for the logs of the runs; None keeps no logs.
        is_busy: Whether other work already keeps the cores busy.
    """
    if len(plans) == 1:
        (plan,) = plans
        with busy_machine(BUSY_SHARE if plan.is_busy and not is_busy else 0.0, max_s=_RUN_TIMEOUT_S):
            return [{"run": plan.name, "seed": seed, **_run(plan, seed, out, keep)}]
    results = []
    for told, result in run_side_by_side(plans, seed=seed, keep=keep, timeout_s=_RUN_TIMEOUT_S + _ENDS_WITHIN_S):
        _print(told.splitlines()[1:-1], out)  # without the line of the seed and the line of the result
        results.append(result)
    return results


def _run(plan: RunPlan, seed: int, out: Console, keep: Path | None) -> dict[str, Any]:
    """Run a plan and show its figures; return the run as an object for JSON."""
    out.print(f"\n[bold]{plan.name}[/]: {sum(scenario.messages for scenario in plan.scenarios):,} messages")
    if plan.options.fakes_clock and not find_library():
        out.print(f"{'not run' if is_required() else 'skipped'}: {HOW_TO_INSTALL}", markup=False)
        return {"holds": not is_required(), "skipped": HOW_TO_INSTALL}
    try:
        with ChaosTestbed(seed=seed, lease_s=LEASE_S, options=plan.options) as testbed:
            try:
                verdict = RunVerdict(asyncio.run(_bounded(testbed, plan, out)), GAP_S)
            except (ChaosRunFailed, ProcessFailed):
                _print(event_lines(testbed), out)
                raise
            finally:
                if keep:
                    testbed.copy_logs(keep / plan.name.replace(" ", "-"))
            _show(verdict, testbed, out)
            return run_as_json(verdict)
    except (ChaosRunFailed, ProcessFailed) as failed:
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


async def _bounded(testbed: ChaosTestbed, plan: RunPlan, out: Console) -> ChaosResult:
    try:
        async with asyncio.timeout(_RUN_TIMEOUT_S):
            return await run(testbed, plan, progress=lambda line: out.print(f"  {line}"))
    except TimeoutError:
        raise ChaosRunFailed(f"the run did not end within {_RUN_TIMEOUT_S:.0f} s") from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
