"""The table of a seed: each figure with its worst value in all runs of the seed.

``python -m tests.chaos.summary RUN.json`` prints a table of all seeds of this file for docs/guarantees.md.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

_OWN_COLUMNS = ("each fault alone", "all faults together")
_OTHERS = "lasting conditions"


def summary_table(runs: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table; *runs* are objects of ``run_as_json`` with the name of their plan as ``run``."""
    cells: dict[str, dict[str, Mapping[str, Any]]] = {}
    for run in runs:
        column = run["run"] if run["run"] in _OWN_COLUMNS else _OTHERS
        for figure in run.get("figures", ()):
            row = cells.setdefault(figure["name"], {})
            if column not in row or _badness(figure) > _badness(row[column]):
                row[column] = figure
    columns = [column for column in (*_OWN_COLUMNS, _OTHERS) if any(column in row for row in cells.values())]
    table = Table(box=None, pad_edge=False)
    table.add_column("figure, as the worst run had it")
    for name in ("must be", *columns):
        table.add_column(name, justify="right")
    for name, row in cells.items():
        limits = {figure["must_be"] for figure in row.values()}
        own_limit = limits.pop() if len(limits) == 1 else ""
        table.add_row(name, own_limit, *(_cell(row.get(column), own_limit) for column in columns))
    for run in runs:
        if problem := run.get("failed") or run.get("skipped"):
            table.add_row(
                run["run"], "", f"[red]{'failed' if 'failed' in run else 'skipped'}[/]: {problem.splitlines()[0]}"
            )
    return table


def markdown(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table with a column for each seed, which has each figure's worst value."""
    seeds = list(dict.fromkeys(run["seed"] for run in runs))
    cells: dict[str, dict[int, Mapping[str, Any]]] = {}
    for run in runs:
        for figure in run.get("figures", ()):
            row = cells.setdefault(figure["name"], {})
            if run["seed"] not in row or _badness(figure) > _badness(row[run["seed"]]):
                row[run["seed"]] = figure
    yield f"| figure | must be | {' | '.join(f'seed {seed}' for seed in seeds)} |"
    yield "|---" * (2 + len(seeds)) + "|"
    for name, row in cells.items():
        limits = {figure["must_be"] for figure in row.values()}
        values = [row[seed]["is"] + ("" if row[seed]["holds"] else " **NO**") if seed in row else "" for seed in seeds]
        yield f"| {name} | {limits.pop() if len(limits) == 1 else 'what was open'} | {' | '.join(values)} |"


def _badness(figure: Mapping[str, Any]) -> tuple[bool, float]:
    return not figure["holds"], figure["amount"]


def _cell(figure: Mapping[str, Any] | None, own_limit: str) -> str:
    if figure is None:
        return ""
    text = figure["is"] if own_limit else f"{figure['is']}, must be {figure['must_be']}"
    return text if figure["holds"] else f"[red]{text} NO[/]"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in markdown(json.loads(Path(sys.argv[1]).read_bytes())["runs"]))
