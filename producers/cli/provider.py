"""``dispatch provider``: lists providers, and checks their settings and whether they answer."""

import asyncio
import json
from typing import Any

import click
from rich.table import Table

from producers.cli import CliContext, CommandGroup, completion
from producers.cli.output import console, echo, echo_report
from producers.errors import InputInvalid
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.diagnostics.probe import ProbeResult, probe_provider
from times_dispatch.provider.oauth.credentials import BasicAuthentication, ClientCredentials
from times_dispatch.settings.errors import closest
from times_dispatch.settings.logs import configure
from times_dispatch.settings.providers.check import CheckedProvider, check_providers


@click.group(cls=CommandGroup)
def provider() -> None:
    """List providers; check their settings."""


@provider.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def list_(options: CliContext, *, as_json: bool) -> None:
    """List the providers, with the senders that use each provider and its priority in their chains."""
    settings = options.settings()
    rows: list[dict[str, Any]] = [
        {
            "nickname": nickname,
            "default": nickname == settings.default_provider,
            "method": item.method,
            "endpoint": item.address,
            "encoding": item.encoding,
            "authentication": _authentication(item),
            "senders": [
                header if nickname == sender.provider else f"{header} ({sender.chain.index(nickname) + 1}.)"
                for header, sender in settings.senders.items()
                if nickname in sender.chain
            ],
        }
        for nickname, item in settings.providers.items()
    ]
    if as_json:
        echo(json.dumps(rows))
        return
    table = Table("provider", "request", "authentication", "senders", box=None, pad_edge=False)
    for row in rows:
        name = f"{row['nickname']} (default)" if row["default"] else row["nickname"]
        request = f"{row['method']} {row['endpoint']} ({row['encoding']})"
        table.add_row(name, request, row["authentication"], ", ".join(row["senders"]) or "none")
    console().print(table)


@provider.command()
@click.argument("name", required=False, shell_complete=completion.providers)
@click.option(
    "--connect", is_flag=True, help="Also request a token and send OPTIONS to the endpoint; no message is sent."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def check(options: CliContext, name: str | None, *, connect: bool, as_json: bool) -> None:
    """Check provider NAME, or all providers; exit with 1 if one cannot work or, with --connect, does not answer."""
    configure(level="error")
    # The check goes on after a provider with a mistake; loading the settings would stop.
    checked = check_providers(options.settings_path, options.variables())
    if name:
        if name not in (known := [item.nickname for item in checked]):
            raise InputInvalid(f"there is no provider {name}{closest(name, known)}")
        checked = [item for item in checked if item.nickname == name]
    if not checked:
        raise InputInvalid(f"{options.settings_path}: there is no provider; describe one as [providers.NICKNAME]")
    reached = {
        item.nickname: asyncio.run(probe_provider(item.provider))
        if connect and item.provider and not item.problems
        else []
        for item in checked
    }
    if as_json:
        echo(json.dumps([_as_json(item, reached[item.nickname]) for item in checked]))
    else:
        for item in checked:
            print_provider(item, reached[item.nickname])
    if any(item.problems or not all(attempt.ok for attempt in reached[item.nickname]) for item in checked):
        raise SystemExit(1)


def _authentication(description: Provider) -> str:
    match description.auth:
        case BasicAuthentication():
            return "basic"
        case ClientCredentials():
            return "oauth2"
        case _:
            return "none"


def print_provider(checked: CheckedProvider, reached: list[ProbeResult]) -> None:
    """Print the check of one provider.

    Args:
        checked: the result of the check.
        reached: the results of the requests to the provider; empty if nothing was requested.
    """
    echo(f"{checked.nickname}: {'cannot work' if checked.problems else 'can work'}")
    for problem in checked.problems:
        echo_report(f"  problem: {problem}", indent=4)
    for warning in checked.warnings:
        echo_report(f"  warning: {warning}", indent=4)
    for note in checked.notes:
        echo_report(f"  note: {note}", indent=4)
    for attempt in reached:
        echo_report(f"  {'answers' if attempt.ok else 'does not answer'}: {attempt.message}", indent=4)


def _as_json(checked: CheckedProvider, reached: list[ProbeResult]) -> dict[str, Any]:
    return {
        "nickname": checked.nickname,
        "problems": checked.problems,
        "warnings": checked.warnings,
        "notes": checked.notes,
        "reached": [{"ok": attempt.ok, "what": attempt.message} for attempt in reached],
    }
