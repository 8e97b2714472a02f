"""``dispatch reports``: delivery reports that wait, those that could not be used, and trying them again."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import click
from redis.asyncio import Redis
from rich.table import Table

from callbacks.dead_letters import DeadLetter, DeadLetters
from callbacks.streams import backlog
from producers.cli import CliContext
from producers.cli.ledger import with_ledger
from producers.cli.output import console
from times_dispatch.settings.durations import format_duration

_ZONE = ZoneInfo("Asia/Kolkata")


@click.group()
def reports() -> None:
    """Look at delivery reports that wait or were set aside; try them again."""


@reports.command()
@click.option("--reason", default="", help="Only those set aside for this reason.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(min=1), help="List so many at the most.")
@click.option("--json", "for_programs", is_flag=True, help="One JSON object.")
@click.pass_obj
def rejected(options: CliContext, *, reason: str, most: int, for_programs: bool) -> None:
    """List the reports that could not be used, oldest first, with the reason; their bodies are not shown.

    Of one that was too long to be kept only this line is left: it cannot be tried again.
    """

    async def look(redis: Redis) -> tuple[dict[str, int], dict[str, int], list[DeadLetter]]:
        aside = DeadLetters(redis)
        return await aside.count(), await aside.totals(), await aside.kept(reason=reason, most=most)

    count, totals, kept = with_ledger(options, look)
    rows = [
        {
            "id": row.id,
            "at_ms": row.at_ms,
            "reason": row.reason,
            "bytes": row.too_long or len(row.body),
            "too_long": bool(row.too_long),
        }
        for row in kept
    ]
    if for_programs:
        click.echo(json.dumps({"kept": count, "ever": totals, "rows": rows}))
        return
    if not count:
        console().print("no report is set aside")
        return
    summary = Table("reason", box=None, pad_edge=False)
    summary.add_column("kept", justify="right")
    summary.add_column("ever", justify="right")
    for name in sorted({*count, *totals}):
        summary.add_row(name, f"{count.get(name, 0):,}", f"{totals.get(name, 0):,}")
    listed = Table("id", "set aside", "reason", box=None, pad_edge=False)
    for row in kept:
        at = f"{datetime.fromtimestamp(row.at_ms / 1000, _ZONE):%Y-%m-%d %H:%M:%S %Z}"
        lost = f"; not kept: too long, {row.too_long:,} bytes" if row.too_long else ""
        listed.add_row(row.id, at, row.reason + lost)
    console().print(summary, "", listed, sep="\n")


@reports.command()
@click.option("--json", "for_programs", is_flag=True, help="One JSON object.")
@click.pass_obj
def waiting(options: CliContext, *, for_programs: bool) -> None:
    """Say how many stored posts of reports no reconciler is done with, and for how long the oldest has been waiting."""
    there = with_ledger(options, backlog)
    if for_programs:
        click.echo(json.dumps({"entries": there.entries, "oldest_s": round(there.oldest_s, 1)}))
    elif there.entries:
        click.echo(f"{there.entries:,} wait for a reconciler, the oldest for {format_duration(there.oldest_s)}")
    else:
        click.echo("no report waits for a reconciler")


@reports.command()
@click.option("--reason", default="", help="Only those set aside for this reason.")
@click.pass_obj
def replay(options: CliContext, *, reason: str) -> None:
    """Hand the reports that were set aside to the reconcilers once more; what fails again is set aside again."""

    async def again(redis: Redis) -> int:
        return await DeadLetters(redis).replay(reason=reason)

    click.echo(f"{with_ledger(options, again):,} reports are on their way to the reconcilers again")
