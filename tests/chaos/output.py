"""Prints a run: a line for each scenario, the table of figures, and details of figures that do not hold."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from tests.chaos.run import FinishedScenario
from tests.chaos.testbed import ChaosTestbed
from tests.chaos.verdict import RunVerdict
from times_dispatch.ledger.states import SENT, MessageState

_TAIL = 8
_LONG_NUMBER = re.compile(r"\d{10,}")


def scenario_table(verdict: RunVerdict) -> Table:
    """Return a table with a line for each scenario."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario")
    for name in ("messages", "sent", "were in doubt", "given up", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("")
    for finished in verdict.result.finished:
        broken = ", ".join(figure.name for figure in verdict.broken(finished))
        result = f"[red]{broken}[/]" if broken else "[green]holds[/]"
        table.add_row(finished.scenario.name, *(f"{number:,}" for number in _line(verdict, finished).values()), result)
    return table


def figure_table(verdict: RunVerdict) -> Table:
    """Return a table of the figures of the whole run."""
    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    table.add_column("is", justify="right")
    table.add_column("must be", justify="right")
    table.add_column("")
    for figure in verdict.figures:
        table.add_row(figure.name, figure.value, figure.must_be, "[green]yes[/]" if figure.holds else "[red]NO[/]")
    return table


def run_as_json(verdict: RunVerdict) -> dict[str, Any]:
    """Return a run as an object for JSON."""
    return {
        "holds": verdict.holds,
        "scenarios": [
            {
                "name": finished.scenario.name,
                **_line(verdict, finished),
                "broken": [figure.name for figure in verdict.broken(finished)],
            }
            for finished in verdict.result.finished
        ],
        "figures": [
            {
                "name": figure.name,
                "is": figure.value,
                "must_be": figure.must_be,
                "holds": figure.holds,
                "amount": figure.amount,
            }
            for figure in verdict.figures
        ],
        "machine": machine_load(verdict),
    }


def machine_load(verdict: RunVerdict) -> str:
    """Return a sentence about the load of the machine: on an overloaded machine, measured times are unreliable."""
    monitor = verdict.result.observations.monitor
    return (
        f"some process on this machine waited for a CPU {monitor.pressure:.0%} of the time; "
        f"the longest delay of a wake-up was {monitor.max_wakeup_delay_s:.2f} s"
    )


def failure_lines(verdict: RunVerdict) -> Iterator[str]:
    """Yield the details of figures that do not hold: messages by index and state, campaigns, senders."""
    for figure in verdict.figures:
        if not figure.holds:
            yield f"{figure.name} is {figure.value}, must be {figure.must_be}"
            yield from (f"  {_masked(line)}" for why in figure.why for line in why.splitlines())


def event_lines(testbed: ChaosTestbed) -> Iterator[str]:
    """Yield all actions and the ends of all logs; long numbers are masked, because they may be phone numbers."""
    yield "actions:"
    for at_s, action in testbed.events.actions:
        yield f"  {datetime.fromtimestamp(at_s, UTC):%H:%M:%S.%f} {action}"
    for name, process in testbed.stack.processes.items():
        yield f"the end of {name}'s log:"
        yield from (f"  {_masked(line)}" for line in process.log_tail(_TAIL).splitlines())


def _line(verdict: RunVerdict, finished: FinishedScenario) -> dict[str, int]:
    observations = verdict.observations(finished)
    return {
        "messages": observations.messages,
        "sent": observations.count(*SENT),
        "in_doubt": finished.in_doubt,
        "given_up": observations.count(MessageState.GIVEN_UP),
        "seconds": round(finished.span.end_s - finished.span.begin_s),
    }


def _masked(line: str) -> str:
    return _LONG_NUMBER.sub("#", line)
