"""``dispatch number``: shows everything that is known about one phone number."""

import json
from datetime import date, timedelta
from typing import Any

import click
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.archived import catalog_with_keys
from producers.cli.code_texts import meaning_of_codes
from producers.cli.ledger import with_ledger
from producers.cli.output import console, echo, echo_report, second_in_india
from producers.export.code_names import code_name
from producers.number_arguments import normalise_arguments
from times_dispatch.archive.numbers.number_search import with_archived
from times_dispatch.ledger.dead_numbers import DeadNumbers
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.number_history import NumberHistory, NumberMessage, number_history
from times_dispatch.ledger.trail import Trail, TrailAction, packed_entry
from times_dispatch.plurals import counted
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
    rule = options.settings().dead_numbers.rule

    async def read(redis: Redis) -> NumberHistory:
        await Trail(redis).note(OPT_OUTS, packed_entry(options.actor, TrailAction.EXPORTED, detail="one number"))
        if not_dead:
            await DeadNumbers(redis, rule).remove(wanted)
        history = await number_history(redis, wanted, rule)
        return await with_archived(catalog_with_keys(options, redis), history, wanted)

    history = with_ledger(options, read)
    for damage in history.damaged:
        echo(f"warning: left out: {damage}", err=True)
    rows = [_row(options, message) for message in history.messages]
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


def _row(options: CliContext, message: NumberMessage) -> dict[str, Any]:
    view = message.campaign
    name = code_name(message.state, message.code)
    return {
        "campaign": view.id,
        "name": view.plan.name,
        "sender": view.plan.sender,
        "line": message.line,
        "index": message.index,
        "state": message.state.label,
        "code": message.code if name else None,
        "meaning": meaning_of_codes(options, view)(name) if name else None,
        "attempt": message.attempt,
        "parts": message.parts,
        "submitted_ms": view.created_ms,
        "sent_ms": message.sent_ms or None,
        "reported_ms": message.reported_ms or None,
        "transaction_id": message.transaction_id or None,
        "clicked": message.clicked,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415  # slow to import, and JSON does without

    table = Table("sent", "sender", "campaign", "state", "reported", "", box=None, pad_edge=False)
    for row in rows:
        sent, reported = (second_in_india(row[at] / 1000) if row[at] else "" for at in ("sent_ms", "reported_ms"))
        why = f"{row['code']}: {row['meaning']}" if row["code"] else "clicked" if row["clicked"] else ""
        table.add_row(sent, row["sender"], f"{row['campaign']} {row['name']}", row["state"], reported, why)
    console().print(table)


def _day(since_day: int) -> str:
    return str(date(1970, 1, 1) + timedelta(days=since_day))
