"""The output that several commands share: lines, tables, a progress bar, counts, times, and a campaign as JSON."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo

import click

from times_dispatch.ledger.model import CampaignView, WaitsFor
from times_dispatch.ledger.protocol import stop_reason_in_words
from times_dispatch.ledger.states import SUPPRESSION_REASONS
from times_dispatch.ledger.trail import TrailAction, TrailEntry
from times_dispatch.sms.rules.send_window import INDIA_ZONE
from times_dispatch.visible_text import visible

if TYPE_CHECKING:
    from producers.cli.plain_console import PlainConsole
    from producers.draft import Draft, RowPass

INDIA = ZoneInfo(INDIA_ZONE)

_BAR_WIDTH = 16
"""Columns of a progress bar: so few that a terminal of 60 columns has room for the figures beside the bar."""
_WIDTH_OF_UNKNOWN_TERMINAL = 80
"""Columns of a terminal that does not know its width."""
_WIDTH_WITHOUT_TERMINAL = 100_000
"""Columns of a table in a file or a pipe: so many that no row is cut or broken into two lines."""


def echo(*lines: str, err: bool = False) -> None:
    """Print lines on stdout or stderr; a line holds no line break, and shows control characters as escapes.

    Every command prints through this function or through ``console``.
    """
    for line in lines:
        click.echo(visible(line), err=err)  # noqa: TID251  # the only place that calls click.echo


def echo_report(*lines: str, indent: int = 0, err: bool = False) -> None:
    """Print lines that a person reads; on a terminal, a line that is too long is broken between words.

    Args:
        lines: lines without line breaks; in a file or pipe, no line is broken.
        indent: columns of blanks before the second and later lines of a broken line.
        err: whether to print on stderr.
    """
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        from producers.cli.wrapping import wrapped  # noqa: PLC0415  # only a terminal needs it

        width = _columns_of(stream)
        lines = tuple(row for line in lines for row in wrapped(visible(line), width, indent))
    echo(*lines, err=err)


def _columns_of(terminal: TextIO) -> int:
    """Return how many columns a terminal has, or what the variable COLUMNS says, as rich does for tables."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    return os.get_terminal_size(terminal.fileno()).columns or _WIDTH_OF_UNKNOWN_TERMINAL


def console() -> "PlainConsole":
    """Return a console on stdout, as wide as the terminal if there is one."""
    from producers.cli.plain_console import PlainConsole  # noqa: PLC0415  # slow to import, and JSON does without

    out = PlainConsole()
    return out if out.is_terminal else PlainConsole(width=_WIDTH_WITHOUT_TERMINAL)


@contextlib.contextmanager
def progress_bar(draft: "Draft") -> Iterator["Callable[[RowPass], None] | None"]:
    """Show on stderr how much of a recipients file is read; yield the function that updates the progress bar.

    Yields None if stderr is not a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, TaskProgressColumn, TimeRemainingColumn  # noqa: PLC0415

    from producers.cli.plain_column import PlainColumn, PlainProgress  # noqa: PLC0415  # slow to import
    from producers.cli.plain_console import PlainConsole  # noqa: PLC0415

    columns = (
        PlainColumn(),
        BarColumn(bar_width=_BAR_WIDTH),
        TaskProgressColumn(),
        PlainColumn("rows"),
        TimeRemainingColumn(),
    )
    with PlainProgress(*columns, console=PlainConsole(stderr=True), transient=True) as bar:
        task = bar.add_task(draft.paths[1].name, total=1.0)

        def update(row_pass: "RowPass") -> None:
            checker = row_pass.checker
            rows = f"{checker.accepted:,} accepted, {checker.refused.total():,} refused"
            bar.update(task, completed=row_pass.fraction(), rows=rows)

        yield update


def minute_in_india(moment: datetime) -> str:
    """Return a moment as the time in India to the minute: ``2026-11-08 10:00 IST``."""
    return f"{moment.astimezone(INDIA):%Y-%m-%d %H:%M} IST"


def second_in_india(epoch_s: float) -> str:
    """Return epoch seconds as the time in India to the second: ``2026-11-08 10:00:00 IST``."""
    return f"{datetime.fromtimestamp(epoch_s, INDIA):%Y-%m-%d %H:%M:%S} IST"


def why_not_started(view: CampaignView | None) -> str:
    """Return why a campaign whose start has come sends nothing yet; empty if the campaign sends, or is not known."""
    return view.reason if view and view.waits_for in {WaitsFor.HOURS, WaitsFor.SENDER} else ""


def trail_detail(entry: TrailEntry) -> str:
    """Return the detail of an entry of the trail for people."""
    if entry.action == TrailAction.BRAKED:
        return stop_reason_in_words(entry.detail, entry.reason_detail)
    return entry.detail


def trail_line(entry: TrailEntry) -> str:
    """Return an entry of the trail as a line: ``2026-11-08 10:00:00 IST paused by asha@host: wrong price``."""
    line, detail = f"{second_in_india(entry.at_ms / 1000)} {entry.action} by {entry.actor}", trail_detail(entry)
    return f"{line}: {detail}" if detail else line


def campaign_as_json(view: CampaignView) -> dict[str, Any]:
    """Return a campaign as one flat object; times are epoch milliseconds, and 0 while they are in the future."""
    plan = view.plan
    return {
        "id": view.id,
        "name": plan.name,
        "sender": plan.sender,
        "template": plan.template,
        "provider": plan.provider,
        "state": view.state.value,
        "reason": view.reason,
        "total": view.total,
        "batches": view.batches,
        "states": {state.label: number for state, number in view.counts.items()},
        "counters_add_up": view.counters_add_up,
        "parts": view.parts,
        "codes": view.codes,
        "suppressed": {
            words: number
            for code, words in SUPPRESSION_REASONS.items()
            if (number := view.codes.get(f"suppressed:{code}"))
        },
        "stats": view.stats,
        "created_ms": view.created_ms,
        "sealed_ms": view.sealed_ms,
        "start_at_ms": plan.start_at_ms,
        "valid_until_ms": plan.valid_until_ms,
        "first_sent_ms": view.first_sent_ms,
        "last_sent_ms": view.last_sent_ms,
        "finished_ms": view.finished_ms,
        "retry_failed": plan.retry
        and {"codes": plan.retry.codes, "after_s": plan.retry.after_s, "at_most": plan.retry.at_most},
        "retries_waiting": view.retries_waiting,
        "resend_of": plan.resend_of or None,
        "resends": view.resends,
    }
