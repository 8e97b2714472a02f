"""``dispatch optout``: whom not to send to, whatever the campaign."""

import json
from pathlib import Path

import click
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.ledger import with_ledger
from producers.optout_import import Imported, export_numbers, import_numbers, numbers_given
from times_dispatch.ledger.optouts import OptOuts


@click.group()
def optout() -> None:
    """Keep the list of numbers that do not want messages."""


@optout.command()
@click.argument("numbers", nargs=-1, required=True)
@click.pass_obj
def add(options: CliContext, numbers: tuple[str, ...]) -> None:
    """Put NUMBERS on the list: nothing more goes to them, also of campaigns that are under way."""
    wanted = numbers_given(numbers)

    async def change(redis: Redis) -> int:
        return await OptOuts(redis).add(wanted)

    added = with_ledger(options, change)
    click.echo(f"{added:,} added, {len(wanted) - added:,} on the list already")


@optout.command()
@click.argument("numbers", nargs=-1, required=True)
@click.pass_obj
def remove(options: CliContext, numbers: tuple[str, ...]) -> None:
    """Take NUMBERS off the list; what was suppressed stays so."""
    wanted = numbers_given(numbers)

    async def change(redis: Redis) -> int:
        return await OptOuts(redis).remove(wanted)

    removed = with_ledger(options, change)
    click.echo(f"{removed:,} removed, {len(wanted) - removed:,} not on the list")


@optout.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--column", default="", help="The column with the numbers. [default: to, number, mobile, phone, msisdn, …]"
)
@click.option("--json", "for_programs", is_flag=True, help="One JSON object.")
@click.pass_obj
def import_(options: CliContext, file: Path, *, column: str, for_programs: bool) -> None:
    """Put all numbers of FILE (CSV, JSON Lines, Parquet, Excel) on the list; exits with 1 if a row was refused."""

    async def change(redis: Redis) -> Imported:
        return await import_numbers(file, OptOuts(redis), column=column)

    done = with_ledger(options, change)
    refused = sum(done.refused.values())
    if for_programs:
        click.echo(json.dumps({"added": done.added, "known": done.known, "refused": done.refused}))
    else:
        click.echo(f"{done.added:,} added, {done.known:,} on the list already, {refused:,} refused")
        for reason, rows in done.refused.items():
            click.echo(f"          {rows:,}: number {reason} (the first in line {done.first_refused[reason]})")
    if refused:
        raise SystemExit(1)


@optout.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def export(options: CliContext, file: Path) -> None:
    """Write the whole list to FILE, a CSV that only you can read."""

    async def write(redis: Redis) -> int:
        return await export_numbers(file, OptOuts(redis))

    click.echo(f"{with_ledger(options, write):,} numbers written to {file}")


@optout.command()
@click.option("--json", "for_programs", is_flag=True, help="One JSON object.")
@click.pass_obj
def count(options: CliContext, *, for_programs: bool) -> None:
    """Count the numbers on the list."""

    async def look(redis: Redis) -> int:
        return await OptOuts(redis).count()

    numbers = with_ledger(options, look)
    click.echo(json.dumps({"numbers": numbers}) if for_programs else f"{numbers:,} numbers")
