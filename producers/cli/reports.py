"""``dispatch reports``: shows waiting delivery reports and dead letters, and tries dead letters again."""

import json

import click
from redis.asyncio import Redis
from rich.table import Table

from callbacks.dead_letters import DeadLetterReason, DeadLetters, StoredDeadLetter
from producers.cli import CliContext, CommandGroup
from producers.cli.ledger import with_ledger
from producers.cli.output import console, echo, second_in_india
from producers.cli.types import WordType
from times_dispatch.ledger.reports.report_backlog import read_backlog
from times_dispatch.plurals import counted
from times_dispatch.settings.values.durations import format_duration

Counts = dict[DeadLetterReason, int]
_REASON = WordType(DeadLetterReason, "reason")


@click.group(cls=CommandGroup)
def reports() -> None:
    """Show waiting delivery reports and dead letters, and try dead letters again."""


@reports.command()
@click.option("--reason", type=_REASON, help="List only dead letters with this reason, for example: forged.")
@click.option(
    "--max",
    "max_rows",
    default=50,
    show_default=True,
    type=click.IntRange(min=1),
    help="List at most this many rows.",
)
@click.option("--most", "old_max_rows", type=click.IntRange(min=1), hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def rejected(
    options: CliContext, *, reason: DeadLetterReason | None, max_rows: int, old_max_rows: int | None, as_json: bool
) -> None:
    """List the reports that could not be used, oldest first, with the reason; their bodies are not shown.

    The body of a report that was too long is not stored, so such a report cannot be tried again.
    """
    if old_max_rows is not None:
        echo("--most is an old name; write --max", err=True)
        max_rows = old_max_rows

    async def read(
        redis: Redis,
    ) -> tuple[Counts, Counts, list[StoredDeadLetter]]:
        dead_letters = DeadLetters(redis)
        kept = await dead_letters.oldest(reason=reason, limit=max_rows)
        return await dead_letters.count(), await dead_letters.totals(), kept

    count, totals, kept = with_ledger(options, read)
    rows = [
        {
            "id": row.id,
            "at_ms": row.at_ms,
            "reason": row.reason,
            "detail": row.detail,
            "bytes": row.too_long or len(row.body),
            "too_long": bool(row.too_long),
        }
        for row in kept
    ]
    if as_json:
        echo(json.dumps({"kept": count, "ever": totals, "rows": rows}))
        return
    if not count:
        console().print("no report is in the dead letters")
        return
    summary = Table("reason", "meaning", box=None, pad_edge=False)
    summary.add_column("kept", justify="right")
    summary.add_column("ever", justify="right")
    for name in sorted({*count, *totals}):
        summary.add_row(name, name.text, f"{count.get(name, 0):,}", f"{totals.get(name, 0):,}")
    listed = Table("id", "since", "reason", box=None, pad_edge=False)
    for row in kept:
        not_stored = f"; not kept: too long, {row.too_long:,} bytes" if row.too_long else ""
        listed.add_row(row.id, second_in_india(row.at_ms / 1000), (row.detail or row.reason.text) + not_stored)
    console().print(summary, "", listed, sep="\n")


@reports.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def waiting(options: CliContext, *, as_json: bool) -> None:
    """Count the posted reports that no reconciler has applied yet, and show how long the oldest has waited."""
    queue = with_ledger(options, read_backlog)
    if as_json:
        echo(json.dumps({"entries": queue.entries, "oldest_s": round(queue.oldest_s, 1)}))
    elif queue.entries:
        posts = counted(queue.entries, "post waits", "posts wait")
        echo(f"{posts} for a reconciler, the oldest for {format_duration(queue.oldest_s)}")
    else:
        echo("no report waits for a reconciler")


@reports.command()
@click.option("--reason", type=_REASON, help="Try only dead letters with this reason, for example: forged.")
@click.pass_obj
def replay(options: CliContext, *, reason: DeadLetterReason | None) -> None:
    """Give the dead letters to the reconcilers again; a report that fails again becomes a dead letter again."""

    async def again(redis: Redis) -> int:
        return await DeadLetters(redis).replay(reason=reason)

    replayed = with_ledger(options, again, is_long=True)
    words = counted(replayed, "report is on its way", "reports are on their way")
    echo(f"{words} to the reconcilers again")
