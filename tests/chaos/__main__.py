"""``python -m tests.chaos``: break everything, count, and fail unless every guarantee holds."""

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
from tests.chaos.run import Result, RunFailed, run
from tests.chaos.scenarios import Programme, programmes
from tests.chaos.stage import Stage
from tests.chaos.table import as_json, explanation, figure_table, machine, scenario_table, what_happened
from tests.chaos.verdict import Verdict
from times_dispatch.demo.processes import ProcessFailed

LEASE_S = 15.0
"""What workers have in production."""

_RUN_WITHIN_S = 480.0
_NARROWEST = 110
"""Columns; tables that are piped somewhere should not be broken at 80."""


@click.command()
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Repeats a run's faults. [default: another each time]")
@click.option(
    "--only", "wanted", multiple=True, help="A scenario's name, or its beginning; can be given more than once."
)
@click.option("--json", "for_programs", is_flag=True, help="One JSON object on stdout; everything else goes to stderr.")
@click.option("--keep", type=click.Path(path_type=Path), help="Copy logs and journals of each run into this folder.")
def main(seed: int | None, wanted: tuple[str, ...], keep: Path | None, *, for_programs: bool) -> None:
    """Send campaigns through real processes while everything goes wrong: each fault alone, then all together."""
    signal.signal(signal.SIGTERM, _interrupt)
    out = Console(highlight=False, soft_wrap=True, stderr=for_programs)
    out.width = max(out.width, _NARROWEST)
    seed = random.randrange(2**31) if seed is None else seed
    chosen = _chosen(wanted)
    out.print(f"seed {seed} (SEED={seed} make chaos repeats the faults)")
    began = time.monotonic()
    told = [{"run": programme.name, **_run(programme, seed, out, keep)} for programme in chosen]
    holds = all(run["holds"] for run in told)
    seconds = time.monotonic() - began
    said = "[green]every guarantee holds[/]" if holds else "[red]not every guarantee holds[/]"
    out.print(f"\n{said}, {seconds:.0f} s in all")
    if for_programs:
        click.echo(json.dumps({"seed": seed, "holds": holds, "seconds": round(seconds), "runs": told}))
    sys.exit(0 if holds else 1)


def _chosen(wanted: tuple[str, ...]) -> list[Programme]:
    every = programmes(LEASE_S)
    if not wanted:
        return every
    beginnings = tuple(name.lower() for name in wanted)
    chosen = []
    for programme in every:
        scenarios = [scenario for scenario in programme.scenarios if scenario.name.lower().startswith(beginnings)]
        if scenarios:
            chosen.append(replace(programme, scenarios=scenarios))
    if not chosen:
        names = ", ".join(scenario.name for programme in every for scenario in programme.scenarios)
        raise click.UsageError(f"no scenario begins like that; there are {names}")
    return chosen


def _run(programme: Programme, seed: int, out: Console, keep: Path | None) -> dict[str, Any]:
    """Play a programme and show what came of it; return it for programs."""
    out.print(f"\n[bold]{programme.name}[/]: {sum(scenario.messages for scenario in programme.scenarios):,} messages")
    try:
        with Stage(seed=seed, lease_s=LEASE_S) as stage:
            try:
                verdict = Verdict(asyncio.run(_bounded(stage, programme, out)), GAP_S)
            except (RunFailed, ProcessFailed):
                _print(what_happened(stage), out)
                raise
            finally:
                if keep:
                    stage.keep(keep / programme.name.replace(" ", "-"))
            _show(verdict, stage, out)
            return as_json(verdict)
    except (RunFailed, ProcessFailed) as failed:
        out.print(str(failed), markup=False, style="red")
        return {"holds": False, "failed": str(failed)}


def _show(verdict: Verdict, stage: Stage, out: Console) -> None:
    out.print(scenario_table(verdict))
    out.print(figure_table(verdict))
    out.print(f"[dim]{machine(verdict)}[/]")
    if not verdict.holds:
        _print(explanation(verdict), out)
        _print(what_happened(stage), out)


def _print(lines: Iterable[str], out: Console) -> None:
    for line in lines:
        out.print(line, markup=False)


async def _bounded(stage: Stage, programme: Programme, out: Console) -> Result:
    try:
        async with asyncio.timeout(_RUN_WITHIN_S):
            return await run(stage, programme, say=lambda line: out.print(f"  {line}"))
    except TimeoutError:
        raise RunFailed(f"the run did not end within {_RUN_WITHIN_S:.0f} s") from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
