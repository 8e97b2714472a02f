"""How a run is shown: a line for each scenario, the table of figures, and what to look at if one does not hold."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from tests.chaos.run import Played
from tests.chaos.stage import Stage
from tests.chaos.verdict import Verdict
from times_dispatch.ledger.states import SENT, MessageState

_TAIL = 8
_LONG_NUMBER = re.compile(r"\d{10,}")


def scenario_table(verdict: Verdict) -> Table:
    """Return a line for each scenario."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario")
    for name in ("messages", "sent", "were in doubt", "given up", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("")
    for played in verdict.result.played:
        wrong = ", ".join(figure.name for figure in verdict.broken(played))
        shown = f"[red]{wrong}[/]" if wrong else "[green]holds[/]"
        table.add_row(played.scenario.name, *(f"{number:,}" for number in _line(verdict, played).values()), shown)
    return table


def figure_table(verdict: Verdict) -> Table:
    """Return the table of figures of the whole run."""
    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    table.add_column("is", justify="right")
    table.add_column("must be", justify="right")
    table.add_column("")
    for figure in verdict.figures:
        table.add_row(figure.name, figure.value, figure.must_be, "[green]yes[/]" if figure.holds else "[red]NO[/]")
    return table


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a run for programs."""
    return {
        "holds": verdict.holds,
        "scenarios": [
            {
                "name": played.scenario.name,
                **_line(verdict, played),
                "broken": [figure.name for figure in verdict.broken(played)],
            }
            for played in verdict.result.played
        ],
        "figures": [
            {"name": figure.name, "is": figure.value, "must_be": figure.must_be, "holds": figure.holds}
            for figure in verdict.figures
        ],
        "machine": machine(verdict),
    }


def machine(verdict: Verdict) -> str:
    """Say how busy the machine was: on an overloaded one the figures that are times say little."""
    watch = verdict.result.evidence.watch
    return (
        f"somebody on this machine waited for a CPU {watch.pressure:.0%} of the time; "
        f"the longest that a process woke up late was {watch.hiccup_s:.2f} s"
    )


def explanation(verdict: Verdict) -> Iterator[str]:
    """Yield why figures do not hold: rows by index and state, campaigns, senders."""
    for figure in verdict.figures:
        if not figure.holds:
            yield f"{figure.name} is {figure.value}, must be {figure.must_be}"
            yield from (f"  {_masked(line)}" for why in figure.why for line in why.splitlines())


def what_happened(stage: Stage) -> Iterator[str]:
    """Yield what was done and the ends of all logs; numbers of recipients, should there be any, are cut out."""
    yield "what was done:"
    for at_s, deed in stage.notes.deeds:
        yield f"  {datetime.fromtimestamp(at_s, UTC):%H:%M:%S.%f} {deed}"
    for name, process in stage.stack.processes.items():
        yield f"the end of {name}'s log:"
        yield from (f"  {_masked(line)}" for line in process.log_tail(_TAIL).splitlines())


def _line(verdict: Verdict, played: Played) -> dict[str, int]:
    evidence = verdict.evidence(played)
    return {
        "messages": evidence.messages,
        "sent": evidence.count(*SENT),
        "in_doubt": played.in_doubt,
        "given_up": evidence.count(MessageState.GIVEN_UP),
        "seconds": round(played.span.end_s - played.span.begin_s),
    }


def _masked(line: str) -> str:
    return _LONG_NUMBER.sub("#", line)
