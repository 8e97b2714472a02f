"""``dispatch init``: makes a folder with settings, secrets, a first campaign and its recipients."""

import shlex
from contextlib import suppress
from pathlib import Path

import click

from producers.cli import CliContext
from producers.cli.output import echo
from producers.starter import make_starter
from times_dispatch.bounded_file import read_bounded
from times_dispatch.demo.redis_server import EmbeddedServerFailed, find_server


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, readable=False, path_type=Path), default=".")
@click.pass_obj
def init(options: CliContext, folder: Path) -> None:
    """Make settings, secrets, a first campaign and its recipients in FOLDER, and keep the files that FOLDER has.

    The files work at once with the sandbox. With dispatch --redis-url URL init, the files name your own Redis.
    """
    files = make_starter(folder, redis_url=options.redis_url or "")
    for name, meaning in files.made.items():
        echo(f"made  {name:<14} {meaning}")
    for name in files.kept:
        echo(f"kept  {name:<14} was there already")
    if ".env" in files.kept and not _names_redis(folder / ".env"):
        echo("", ".env has no addresses and secrets for these processes: run dispatch init for another folder,")
        echo("or enter the variables of docs/operations.md#environment into .env; then:")
    echo("", "start Redis, the sandbox and all processes, and leave them in this terminal:")
    if folder != Path():
        echo(f"  cd {shlex.quote(str(folder))}")
    if not options.redis_url:
        try:
            find_server()
        except EmbeddedServerFailed as failed:
            echo(f"  first: {failed}")
    echo("  honcho start")
    echo("in a second terminal, in the same folder:")
    echo(*(f"  dispatch {command}" for command in ("doctor", "check campaign.toml", "submit campaign.toml", "list")))
    echo("to use your own account: remove the line endpoint and enter your senders and templates in dispatch.toml,")
    echo("put the account into .env, and remove the line sandbox from the Procfile; then run dispatch doctor --connect")


def _names_redis(env_file: Path) -> bool:
    """Return whether a file sets DISPATCH_REDIS_URL; False if the file cannot be read, or is a pipe."""
    with suppress(OSError):
        return env_file.is_file() and b"DISPATCH_REDIS_URL=" in read_bounded(env_file)
    return False
