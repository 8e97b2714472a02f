"""What commands print tables and bars on."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console

from producers.draft import Draft, RowPass
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import SUPPRESSION_REASONS


def as_json(view: CampaignView) -> dict[str, Any]:
    """Return a campaign as one flat object; times are epoch milliseconds, 0 if they have not come."""
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
        "identity_holds": view.identity_holds,
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
        "first_let_go_ms": view.first_sent_ms,
        "last_let_go_ms": view.last_sent_ms,
        "finished_ms": view.finished_ms,
    }


Move = Callable[[RowPass], None]


@contextlib.contextmanager
def bar(draft: Draft) -> Iterator[Move | None]:
    """Show a bar on stderr if somebody is looking; the function that it gives moves it on."""
    if not sys.stderr.isatty():
        yield None
        return
    # rich is slow to import, and only for people.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[accepted]:,} accepted, {task.fields[refused]:,} refused"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(draft.paths[1].name, total=1.0, accepted=0, refused=0)

        def move(reading: RowPass) -> None:
            refused = reading.rows.refused.total()
            progress.update(task, completed=reading.fraction(), accepted=reading.rows.accepted, refused=refused)

        yield move


class FiniteFloatRange(click.FloatRange):
    """A float within a range; neither ``nan``, which is in every range, nor ``inf``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


_WIDE = 200


def console() -> Console:
    """Return a console as wide as the terminal, or wide enough where a file or a program reads."""
    out = Console(highlight=False, soft_wrap=True)
    return out if out.is_terminal else Console(highlight=False, soft_wrap=True, width=_WIDE)
