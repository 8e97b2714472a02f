"""``dispatch console user``: adds, lists and removes the users of the console."""

import json
import sys
from pathlib import Path

import click
from rich.table import Table

from producers.cli import CliContext, CommandGroup
from producers.cli.output import console as output
from producers.cli.output import echo
from producers.errors import CommandFailed, InputInvalid
from times_dispatch.console_users import (
    ConsoleRole,
    ConsoleUser,
    ConsoleUsers,
    ConsoleUsersInvalid,
    check_user_name,
    write_users,
)

_MAX_PASSWORD_LINE = 10_000
"""The limit of characters for a password on stdin; without it, a device such as /dev/zero would be read forever."""


@click.group("console")
def console() -> None:
    """Manage the users of the console; "python -m console" starts it."""


@console.group(cls=CommandGroup)
def user() -> None:
    """Add, list and remove users. The console reads the file anew after each change."""


_file_option = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, readable=False),
    help="The users file. [default: the users file that the settings name]",
)


@user.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice([role.value for role in ConsoleRole]), required=True, help="The role of the user."
)
@click.option("--password-stdin", is_flag=True, help="Read the password from one line of stdin.")
@click.option(
    "--by-proxy",
    is_flag=True,
    help="Add the user without a password: a proxy logs the user in ([console] user_header).",
)
@_file_option
@click.pass_obj
def add(options: CliContext, name: str, *, role: str, password_stdin: bool, by_proxy: bool, path: Path | None) -> None:
    """Add user NAME, or give NAME another role and password; logins of the old password end.

    A viewer sees campaigns, but no numbers and no texts. An operator also sees masked numbers and texts, and may pause,
    resume, cancel and resend campaigns and change rates. An owner also sees the users and their actions.
    """
    users = _users(options, path)
    try:
        check_user_name(name)
        password = "" if by_proxy else users.hashed(_password(from_stdin=password_stdin))
    except ValueError as error:
        raise InputInvalid(str(error)) from None
    known = dict(_all(users))
    was_there = name in known
    known[name] = ConsoleUser(name=name, role=ConsoleRole(role), password=password)
    _write(users.path, known)
    echo(f"user {name} is {'now ' if was_there else ''}{role}, in {users.path}")


@user.command()
@click.argument("name")
@_file_option
@click.pass_obj
def remove(options: CliContext, name: str, *, path: Path | None) -> None:
    """Remove user NAME, whose logins end at once."""
    users = _users(options, path)
    known = dict(_all(users))
    if known.pop(name, None) is None:
        raise InputInvalid(f"there is no user {name}; there are {', '.join(sorted(known)) or 'none'}")
    _write(users.path, known)
    echo(f"user {name} is removed from {users.path}")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@_file_option
@click.pass_obj
def list_(options: CliContext, *, as_json: bool, path: Path | None) -> None:
    """List the users and their roles."""
    known = _all(_users(options, path))
    if as_json:
        rows = [{"name": name, "role": user.role.value, "by_proxy": not user.password} for name, user in known.items()]
        echo(json.dumps(rows))
        return
    table = Table("user", "role", "login", box=None, pad_edge=False)
    for name, each in known.items():
        table.add_row(name, each.role.value, "password" if each.password else "by a proxy")
    output().print(table if known else "no users yet: dispatch console user add NAME --role owner")


def _users(options: CliContext, path: Path | None) -> ConsoleUsers:
    return ConsoleUsers(path or Path(options.settings().console.users))


def _all(users: ConsoleUsers) -> dict[str, ConsoleUser]:
    try:
        return dict(users.all())
    except ConsoleUsersInvalid as invalid:
        raise CommandFailed(str(invalid)) from None


def _write(path: Path, users: dict[str, ConsoleUser]) -> None:
    try:
        write_users(path, users)
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {(error.strerror or 'unknown reason').lower()}") from None


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline(_MAX_PASSWORD_LINE).rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InputInvalid("stdin is no terminal, so nobody can type a password: give it with --password-stdin")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
