"""``python -m benchmarks [NAME…] [--json PATH]``: run all or some benchmarks, print tables and write JSON.

The figures of each benchmark are printed, and the file is written, as soon as it has ended: an end before the last one
loses none of them.

The exit code is 1 if a figure misses its limit, and 2 if nginx is missing.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console as RichConsole
from rich.table import Table

from benchmarks import (
    clicks,
    cluster,
    console,
    corpus,
    dispatch,
    export,
    fairness,
    growth,
    idle,
    number,
    old_campaigns,
    pacing,
    repeated_texts,
    reports,
    scaling,
    scrape,
    script_cost,
    show,
    stats,
    submit,
    tls,
)
from benchmarks.figures import Figure, format_value
from benchmarks.nginx import NginxMissing

Measurement = Callable[[Callable[[str], None]], list[Figure]]
"""Measures and returns figures; the argument takes a line that says how far it is."""

MEASUREMENTS: dict[str, Measurement] = {
    "dispatch": dispatch.figures,
    "tls": tls.figures,
    "cluster": cluster.figures,
    "scaling": scaling.scaling,
    "slow": scaling.slow,
    "submit": submit.figures,
    "reports": reports.figures,
    "script_cost": script_cost.figures,
    "clicks": clicks.figures,
    "show": show.figures,
    "export": export.figures,
    "stats": stats.figures,
    "number": number.figures,
    "scrape": scrape.figures,
    "pacing": pacing.figures,
    "fairness": fairness.figures,
    "idle": idle.figures,
    "growth": growth.figures,
    "repeated_texts": repeated_texts.figures,
    "old_campaigns": old_campaigns.figures,
    "console": console.figures,
    "corpus": corpus.figures,
}

_MIN_WIDTH = 150
"""The width, in columns, of the output if it is not a terminal."""

out = RichConsole(highlight=False)
if not out.is_terminal:
    out = RichConsole(highlight=False, width=_MIN_WIDTH)


def main(arguments: list[str], measurements: Mapping[str, Measurement] = MEASUREMENTS) -> int:
    """Run those of *measurements* that *arguments* name, or all; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(measurements)}")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="the file for the figures")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(measurements):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(measurements)}")
    began, figures = time.monotonic(), []
    out.print(f"[bold]{_machine()}[/]")
    for name in options.names or measurements:
        since = time.monotonic()
        try:
            measured = measurements[name](partial(_progress, name))
        except NginxMissing as missing:
            out.print(f"[red]{missing}[/]")
            return 2
        figures += measured
        out.print(f"[dim]{name}: {time.monotonic() - since:.0f} s[/]")
        out.print(_table(measured))
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(_report(figures))))
    missed = [figure.name for figure in figures if not figure.reaches_must]
    out.print(
        f"{time.monotonic() - began:.0f} s; written to {options.json}"
        + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    return 1 if missed else 0


def _progress(name: str, line: str) -> None:
    out.print(f"[dim]{name}: {line}[/]")


def _table(figures: list[Figure]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("figure", "measured", "baseline", "ratio", "must", "aim"):
        table.add_column(heading, justify="left" if heading == "figure" else "right", no_wrap=True)
    table.add_column("")
    table.add_column("")
    for figure in figures:
        bound = "≥ " if figure.better == "more" else "≤ "
        table.add_row(
            figure.name,
            f"[bold]{format_value(figure.value, figure.unit)}[/]",
            format_value(figure.baseline, figure.unit),
            f"× {figure.ratio:.2f}" if figure.ratio else "",
            "" if figure.must is None else bound + format_value(figure.must, figure.unit),
            "" if figure.aim is None else bound + format_value(figure.aim, figure.unit),
            _mark(figure),
            f"[dim]{figure.note}[/]",
        )
    return table


def _mark(figure: Figure) -> str:
    if not figure.reaches_must:
        return "[red]missed[/]"
    return "[green]aim[/]" if figure.aim is not None and figure.reaches_aim else "ok"


def _report(figures: list[Figure]) -> dict[str, Any]:
    rows = [
        {
            **msgspec.to_builtins(figure),
            "ratio": figure.ratio,
            "reaches_must": figure.reaches_must,
            "reaches_aim": figure.reaches_aim,
        }
        for figure in figures
    ]
    return {"at": datetime.now(UTC).isoformat(), "machine": _machine(), "figures": rows}


def _machine() -> str:
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text("utf-8")
        model = next(line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{os.cpu_count()} × {model}, {platform.system()}, Python {platform.python_version()}{load}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
