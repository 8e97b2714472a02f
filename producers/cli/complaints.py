"""``dispatch complaints``: records complaints about senders that an operator or the DLT portal reports."""

import json
import re
import time
from datetime import date, datetime
from datetime import time as clock_time

import click
import msgspec
from redis.asyncio import Redis
from rich.table import Table

from producers.cli import CliContext, CommandGroup, completion
from producers.cli.ledger import with_ledger
from producers.cli.output import INDIA, console, echo, minute_in_india
from producers.cli.sender_control import known_sender
from producers.cli.types import DayType
from producers.errors import InputInvalid
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.monitoring.complaints import (
    MAX_IN_WINDOW,
    WINDOW_DAYS,
    Complaint,
    Complaints,
    window_since_ms,
)
from times_dispatch.ledger.queries import Queries
from times_dispatch.plurals import counted

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9/._-]{0,63}")
_MOBILE = re.compile(r"(?:91|0)?[6-9][0-9]{9}")


@click.group(cls=CommandGroup)
def complaints() -> None:
    """Record complaints about senders that an operator or the DLT portal reports."""


@complaints.command()
@click.argument("sender", shell_complete=completion.senders)
@click.argument("reference")
@click.option("--on", "day", type=DayType(), help="The day of the complaint. [default: today]")
@click.pass_obj
def add(options: CliContext, sender: str, reference: str, *, day: date | None) -> None:
    """Record a complaint about SENDER. REFERENCE is the complaint's id at the operator or portal, no phone number."""
    if not _REFERENCE.fullmatch(reference):
        raise InputInvalid(f"reference {reference}: must be 1 to 64 letters, digits, / . _ or -")
    if _MOBILE.fullmatch(reference):
        raise InputInvalid("the reference may not be a phone number: give the id of the complaint")
    at_s = datetime.combine(day, clock_time.min, INDIA).timestamp() if day else time.time()
    if at_s > time.time():
        raise InputInvalid(f"--on {day}: is in the future")

    async def change(redis: Redis) -> tuple[bool, int]:
        store, name = Complaints(redis, actor=options.actor), await known_sender(redis, sender)
        is_new = await store.add(name, Complaint(at_ms=int(at_s * 1000), reference=reference))
        return is_new, len(await store.of(name, since_ms=_since_ms()))

    is_new, number = with_ledger(options, change)
    echo("added" if is_new else "kept already", _count_line(sender, number))


@complaints.command()
@click.argument("sender", shell_complete=completion.senders)
@click.argument("reference")
@click.pass_obj
def remove(options: CliContext, sender: str, reference: str) -> None:
    """Remove a complaint about SENDER, for instance a complaint that was entered by mistake."""

    async def change(redis: Redis) -> bool:
        return await Complaints(redis, actor=options.actor).remove(await known_sender(redis, sender), reference)

    if not with_ledger(options, change):
        raise InputInvalid(f"sender {sender} has no complaint {reference}")
    echo("removed")


@complaints.command("list")
@click.option("--sender", default="", shell_complete=completion.senders, help="List only complaints about this sender.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: complaints by sender.")
@click.pass_obj
def list_(options: CliContext, *, sender: str, as_json: bool) -> None:
    """List the complaints of the last 400 days, and how many of them count now."""

    async def read(redis: Redis) -> dict[SenderId, list[Complaint]]:
        names = [await known_sender(redis, sender)] if sender else await Queries(redis).senders()
        by_sender = {name: await Complaints(redis).of(name) for name in names}
        return {name: of_sender for name, of_sender in by_sender.items() if of_sender}

    by_sender = with_ledger(options, read)
    if as_json:
        echo(json.dumps(msgspec.to_builtins(by_sender)))
        return
    if not by_sender:
        echo("no complaint is recorded")
        return
    table = Table("sender", "when", "reference", box=None, pad_edge=False)
    for name, of_sender in by_sender.items():
        for complaint in of_sender:
            when = minute_in_india(datetime.fromtimestamp(complaint.at_ms / 1000, INDIA))
            table.add_row(name, when, complaint.reference)
    console().print(table)
    since_ms = _since_ms()
    for name, of_sender in by_sender.items():
        echo(_count_line(name, sum(complaint.at_ms >= since_ms for complaint in of_sender)))


def _since_ms() -> int:
    return window_since_ms(int(time.time() * 1000))


def _count_line(sender: str, number: int) -> str:
    return (
        f"{sender}: {counted(number, 'complaint')} within {WINDOW_DAYS} days; {MAX_IN_WINDOW} start an action against "
        "the sender"
    )
