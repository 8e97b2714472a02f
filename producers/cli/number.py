"""``dispatch number``: shows everything that is known about one phone number."""

import json
from datetime import date, timedelta
from typing import Any

import click
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.archived import catalog_with_keys
from producers.cli.code_texts import CodeTexts
from producers.cli.ledger import with_ledger
from producers.cli.output import echo, echo_report, second_in_india
from producers.export.code_names import code_name
from producers.number_arguments import normalise_arguments
from times_dispatch.archive.numbers.number_search import with_archived
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.numbers.dead_numbers import DeadNumbers
from times_dispatch.ledger.numbers.history import NumberHistory, NumberMessage, number_history
from times_dispatch.ledger.trail import Trail, TrailAction, packed_entry
from times_dispatch.plurals import counted
from times_dispatch.settings.dead_number_rule import read_dead_number_rule
from times_dispatch.settings.masking import mask


@click.command()
@click.argument("number")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--not-dead", is_flag=True, help="Remove the number from the dead numbers, so that the number gets messages again."
)
@click.pass_obj
def number(options: CliContext, number: str, *, as_json: bool, not_dead: bool) -> None:
    """Show everything that is known about NUMBER in all campaigns: each message, its times and its state.

    The output masks the number. The trail records that somebody looked up a number.
    """
    [wanted] = normalise_arguments([number])
    rule = read_dead_number_rule(options.settings_path) or options.settings().dead_numbers.rule

    async def read(redis: Redis) -> NumberHistory:
        await Trail(redis).note(OPT_OUTS, packed_entry(options.actor, TrailAction.EXPORTED, detail="one number"))
        if not_dead:
            await DeadNumbers(redis, rule).remove(wanted)
        history = await number_history(redis, wanted, rule)
        return await with_archived(catalog_with_keys(options, redis), history, wanted)

    history = with_ledger(options, read)
    for damage in history.damaged:
        echo(f"warning: left out: {damage}", err=True)
    texts = CodeTexts(options)
    rows = [_row(texts, message) for message in history.messages]
    if as_json:
        dead = {"since": _day(history.dead.since_day), "code": history.dead.code} if history.dead else None
        known = {"number": mask(wanted), "opted_out": history.opted_out, "is_dead": history.is_dead, "dead": dead}
        known["forgotten"] = history.is_forgotten
        echo(json.dumps({**known, "messages": rows}))
        return
    echo_report(f"{mask(wanted)}: {counted(len(rows), 'message')}; {_standing(history)}", indent=2)
    if rows:
        _print(rows)


def _standing(history: NumberHistory) -> str:
    if history.is_forgotten:
        return "forgotten: no sender texts the number, and its data in archives is sealed"
    standing = ["on the opt-out list" if history.opted_out else "not on the opt-out list"]
    if history.dead:
        until = "" if history.is_dead else ", too long ago to count"
        standing.append(f"dead since {_day(history.dead.since_day)} (code {history.dead.code}){until}")
    return "; ".join(standing)


def _row(texts: CodeTexts, message: NumberMessage) -> dict[str, Any]:
    view = message.campaign
    name = code_name(message.state, message.code, retry=view.plan.retry)
    return {
        "campaign": view.id,
        "name": view.plan.name,
        "sender": view.plan.sender,
        "line": message.line,
        "index": message.index,
        "state": message.state.label,
        "code": message.code if name else None,
        "meaning": texts.of(view)(name) if name else None,
        "attempt": message.attempt,
        "parts": message.parts,
        "submitted_ms": view.created_ms,
        "sent_ms": message.sent_ms or None,
        "reported_ms": message.reported_ms or None,
        "transaction_id": message.transaction_id or None,
        "clicked": message.clicked,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    """Print a line for each message; only the last column may have letters of several or no columns."""
    table = [("sent", "sender", "campaign", "state", "reported", "")]
    for row in rows:
        sent, reported = (second_in_india(row[at] / 1000) if row[at] else "" for at in ("sent_ms", "reported_ms"))
        why = f"{row['code']}: {row['meaning']}" if row["code"] else "clicked" if row["clicked"] else ""
        last = f"{row['name']}; {why}" if why else row["name"]
        table.append((sent, row["sender"], row["campaign"], row["state"], reported, last))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths[:-1], strict=False))
        echo_report(f"{line}  {cells[-1]}".rstrip(), indent=2)


def _day(since_day: int) -> str:
    return str(date(1970, 1, 1) + timedelta(days=since_day))
