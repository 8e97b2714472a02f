"""``dispatch list``: lists the live campaigns and the newest campaigns that ended, the newest first."""

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import click
from redis.asyncio import Redis

from producers.cli import CliContext, completion
from producers.cli.ledger import warn_without_workers, with_ledger
from producers.cli.output import INDIA, campaign_as_json, console, echo
from producers.cli.types import DurationType
from times_dispatch.archive.catalog import Catalog
from times_dispatch.ledger.campaigns.words import STATES, list_figures, state_in_words
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.plurals import counted
from times_dispatch.similar_names import similar_name

if TYPE_CHECKING:
    from rich.table import Table

_MAX_ENDED = 100
_MIN_TABLE_WIDTH = 120
"""On a terminal with fewer columns, and where the table does not fit, each campaign gets two lines, not a row."""
_MIN_NAME_WIDTH = 24
"""The columns to which a longer name is cut, if the table has no room for the whole name."""


class _Filters(NamedTuple):
    """Which campaigns are listed."""

    states: tuple[str, ...]
    """States in words; every state if there is none."""
    name: str
    """A part of the name, in any case."""
    since_ms: float
    """Only campaigns that were created from this time on, in epoch milliseconds."""

    def match(self, view: CampaignView) -> bool:
        return (
            (not self.states or state_in_words(view) in self.states)
            and self.name.casefold() in view.plan.name.casefold()
            and view.created_ms >= self.since_ms
        )


@click.command("list")
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="List only campaigns in this state; may be repeated.",
)
@click.option("--sender", default="", shell_complete=completion.senders, help="List only campaigns of this sender.")
@click.option(
    "--since",
    "since_s",
    type=DurationType(),
    default=0,
    help="List only campaigns created within this time before now: 24h, 7d.",
)
@click.option("--name", default="", help="List only campaigns whose names contain this text.")
@click.option("--limit", type=click.IntRange(min=1), help="List at most this many campaigns.")
@click.option(
    "--ended",
    "max_ended",
    type=click.IntRange(min=0),
    default=_MAX_ENDED,
    show_default=True,
    help="Read this many of the newest campaigns that are finished or cancelled.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def list_(
    options: CliContext,
    *,
    states: tuple[str, ...],
    sender: str,
    since_s: float,
    name: str,
    limit: int | None,
    max_ended: int,
    as_json: bool,
) -> None:
    """List all live campaigns and the newest campaigns that are finished or cancelled, the newest first."""
    filters = _Filters(states, name, (time.time() - since_s) * 1000 if since_s else 0)
    read_damaged = list[CampaignDamaged]()

    known_senders = list[SenderId]()

    async def campaigns(redis: Redis) -> tuple[list[CampaignView], int]:
        known_senders.extend(await Queries(redis).senders() if sender else [])
        only = SenderId(sender) if sender else None
        read, left_out = await Catalog(redis).live_and_ended(
            max_ended=max_ended, only_sender=only, damaged=read_damaged
        )
        chosen = [view for view in read if filters.match(view)]
        await warn_without_workers(redis, chosen)
        return chosen, left_out

    views, left_out = with_ledger(options, campaigns)
    damaged = [damage for damage in read_damaged if not states or damage.state in states]
    if left_out:
        older = f"{counted(left_out, 'older campaign')} that ended: dispatch list --ended {max_ended + left_out}"
        echo(f"not shown: {older}", err=True)
    if limit is not None and len(views) > limit:
        echo(f"not shown: {len(views) - limit:,} more than --limit {limit}", err=True)
        views = views[:limit]
    # These campaigns may have the wanted states: their states are unknown while the archive cannot be reached.
    _tell_damages([damage for damage in read_damaged if damage in damaged or damage.state != CampaignDamaged.state])
    if as_json:
        echo(json.dumps([*map(campaign_as_json, views), *map(_damaged_as_json, damaged)]))
    elif not views and not damaged:
        similar = "" if sender in known_senders else similar_name(sender, known_senders)
        hint = f"; sender {sender} has none, did you mean {similar}?" if similar else ""
        is_all = filters == _Filters((), "", 0) and not sender
        console().print(
            "no campaign is live"
            if is_all and left_out
            else "no campaigns yet"
            if is_all
            else f"no such campaign{hint}"
        )
    else:
        _print(views, damaged)


def _tell_damages(damages: list[CampaignDamaged]) -> None:
    """Print on stderr which campaigns cannot be read, and what to do, one line for each kind of advice."""
    for advice in dict.fromkeys(damage.advice for damage in damages):
        ids = ", ".join(damage.campaign for damage in damages if damage.advice == advice)
        echo(f"{advice}: {ids}", err=True)


def _print(views: list[CampaignView], damaged: list[CampaignDamaged]) -> None:
    out = console()
    table = _table(views, damaged)
    if out.width >= _MIN_TABLE_WIDTH and out.fits(table):
        out.print(table)
        return
    for view in views:
        line = f"{view.id}  {view.plan.name}, {view.plan.sender}, {_when(view)}"
        out.print_line(line, bold=len(view.id))
        out.print_line(f"  {', '.join(_in_words(view))}")
    for damage in damaged:
        line = f"{damage.campaign}  {damage.sender}: {damage.state}, {damage.what}"
        out.print_line(line, bold=len(damage.campaign))


def _table(views: list[CampaignView], damaged: list[CampaignDamaged]) -> "Table":
    from rich.table import Table  # noqa: PLC0415  # slow to import, and JSON does without

    table = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "sender", "when", "state"):
        table.add_column(heading, no_wrap=True, min_width=_MIN_NAME_WIDTH if heading == "name" else None)
    for heading in ("messages", "done", "delivered", "failed", "in doubt", "kept back"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("reason")
    for view in views:
        figures = list_figures(view)
        numbers = (figures.delivered, figures.failed, figures.in_doubt, figures.kept_back)
        table.add_row(
            view.id,
            view.plan.name,
            view.plan.sender,
            _when(view),
            state_in_words(view),
            f"{view.total:,}",
            f"{figures.done_percent} %",
            *(f"{number:,}" for number in numbers),
            view.reason,
        )
    for damage in damaged:
        table.add_row(damage.campaign, "", damage.sender, "", damage.state, *[""] * 6, damage.what)
    return table


def _in_words(view: CampaignView) -> list[str]:
    figures = list_figures(view)
    words = [state_in_words(view), f"{figures.done_percent} % of {view.total:,} done"]
    words += [
        f"{number:,} {noun}"
        for number, noun in (
            (figures.delivered, "delivered"),
            (figures.failed, "failed"),
            (figures.in_doubt, "in doubt"),
            (figures.kept_back, "kept back"),
        )
        if number
    ]
    return [*words, *([view.reason] if view.reason else [])]


def _when(view: CampaignView) -> str:
    """Return when a campaign starts, or when it was created if it has no start time of its own."""
    moment = datetime.fromtimestamp((view.plan.start_at_ms or view.created_ms) / 1000, INDIA)
    return f"{moment:%Y-%m-%d %H:%M}"


def _damaged_as_json(damage: CampaignDamaged) -> dict[str, str]:
    return {"id": damage.campaign, "sender": damage.sender, "state": damage.state, "reason": damage.what}
