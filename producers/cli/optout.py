"""``dispatch optout``: manages the numbers that get no messages of any campaign."""

import json
from pathlib import Path

import click
from redis.asyncio import Redis

from producers.cli import CliContext, CommandGroup
from producers.cli.ledger import with_ledger
from producers.cli.output import echo
from producers.export.files import STDOUT, name_of
from producers.number_arguments import normalise_arguments
from producers.opt_out_import import ImportResult, export_numbers, import_numbers
from producers.recipients.reader.limits import ReaderLimits
from times_dispatch.ledger.errors import ForgetKeyRefused
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.trail import Trail, TrailAction, packed_entry
from times_dispatch.plurals import counted
from times_dispatch.settings.load import Need


@click.group(cls=CommandGroup)
def optout() -> None:
    """Manage the list of numbers that must get no messages."""


@optout.command()
@click.argument("numbers", nargs=-1, required=True)
@click.pass_obj
def add(options: CliContext, numbers: tuple[str, ...]) -> None:
    """Put NUMBERS on the list, so that they get no more messages, not even of running campaigns."""
    wanted = normalise_arguments(numbers)

    async def change(redis: Redis) -> tuple[int, int]:
        try:
            hidden = await ForgottenNumbers(redis, options.forget_key()).positions(wanted)
        except ForgetKeyRefused as refused:  # an opt-out must never wait
            echo(f"warning: {refused}; forgotten numbers among NUMBERS are now in the list, unmasked", err=True)
            hidden = []
        kept = [number for position, number in enumerate(wanted) if position not in hidden]
        return (await OptOuts(redis, actor=options.actor).add(kept) if kept else 0), len(hidden)

    added, forgotten = with_ledger(options, change)
    known = len(wanted) - forgotten - added
    echo(f"{added:,} added, {known:,} on the list already{_forgotten_in_words(forgotten)}")


@optout.command()
@click.argument("numbers", nargs=-1, required=True)
@click.pass_obj
def remove(options: CliContext, numbers: tuple[str, ...]) -> None:
    """Take NUMBERS off the list; messages that are suppressed already stay suppressed."""
    wanted = normalise_arguments(numbers)

    async def change(redis: Redis) -> int:
        return await OptOuts(redis, actor=options.actor).remove(wanted)

    removed = with_ledger(options, change, repeats=False)
    echo(f"{removed:,} removed, {len(wanted) - removed:,} not on the list")


@optout.command("import")
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--column", default="", help="The column with the numbers. [default: to, number, mobile, phone, msisdn, …]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def import_(options: CliContext, file: Path, *, column: str, as_json: bool) -> None:
    """Put all numbers of FILE (CSV, JSON Lines, Parquet, Excel) on the list; exit with 1 if a row was refused."""
    limits = ReaderLimits.of(options.settings(Need.LEDGER).recipients)

    async def change(redis: Redis) -> ImportResult:
        opt_outs = OptOuts(redis, actor=options.actor, file_name=file.name)
        forgotten = ForgottenNumbers(redis, options.forget_key())
        return await import_numbers(file, opt_outs, column=column, forgotten=forgotten, limits=limits)

    result = with_ledger(options, change, is_long=True)
    refused = sum(result.refused.values())
    if as_json:
        echo(
            json.dumps(
                {"added": result.added, "known": result.known, "forgotten": result.forgotten, "refused": result.refused}
            )
        )
    else:
        forgotten = _forgotten_in_words(result.forgotten)
        echo(f"{result.added:,} added, {result.known:,} on the list already{forgotten}, {refused:,} refused")
        for reason, rows in result.refused.items():
            echo(f"          {rows:,}: number {reason} (the first in line {result.first_refused[reason]})")
    if refused:
        raise SystemExit(1)


@optout.command()
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.pass_obj
def export(options: CliContext, file: Path) -> None:
    """Write the whole list to FILE, a CSV that only you can read; - is standard output."""

    async def write(redis: Redis) -> int:
        await Trail(redis).note(OPT_OUTS, packed_entry(options.actor, TrailAction.EXPORTED, detail="the opt-out list"))
        return await export_numbers(file, OptOuts(redis))

    written = with_ledger(options, write, is_long=True)
    echo(f"{counted(written, 'number')} written to {name_of(file)}", err=file == STDOUT)


@optout.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def count(options: CliContext, *, as_json: bool) -> None:
    """Count the numbers on the list."""

    async def count_numbers(redis: Redis) -> int:
        return await OptOuts(redis).count()

    numbers = with_ledger(options, count_numbers)
    echo(json.dumps({"numbers": numbers}) if as_json else counted(numbers, "number"))


def _forgotten_in_words(numbers: int) -> str:
    return f", {numbers:,} suppressed already as forgotten" if numbers else ""
