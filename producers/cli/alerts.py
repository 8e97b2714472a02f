"""``dispatch alerts``: lists the alerts and who was notified, and sends a test message to the targets."""

import asyncio
import json
from collections.abc import Iterable
from operator import attrgetter

import click
import msgspec
from redis.asyncio import Redis
from rich.table import Table

from producers.cli import CliContext, CommandGroup
from producers.cli.exit_codes import FailureExit, RefusalExit
from producers.cli.ledger import with_ledger
from producers.cli.output import console, echo, second_in_india
from times_dispatch.alerts.messages import AlertMessage
from times_dispatch.ledger.monitoring.alerts import AlertRecord, AlertStore
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings


@click.group(cls=CommandGroup)
def alerts() -> None:
    """List alerts and who was notified, and send a test message to the targets of alerts."""


@alerts.command("list")
@click.option(
    "--ended", type=click.IntRange(min=0), default=0, metavar="N", help="List also the last N alerts that are over."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: open and ended alerts.")
@click.pass_obj
def list_(options: CliContext, *, ended: int, as_json: bool) -> None:
    """List the open alerts, and who was notified when. The alerts process decides which alerts are open."""

    async def read(redis: Redis) -> tuple[list[AlertRecord], list[AlertRecord]]:
        store = AlertStore(redis)
        records = (await store.read()).open.values()
        opened = [record for record in records if record.opened_ms]
        return sorted(opened, key=attrgetter("opened_ms", "id")), await store.ended(limit=ended) if ended else []

    opened, over = with_ledger(options, read)
    if as_json:
        echo(json.dumps({"open": msgspec.to_builtins(opened), "ended": msgspec.to_builtins(over)}))
        return
    if not opened and not over:
        echo("no alert is open")
        return
    table = Table("since", "until", "kind", "what", "notified", box=None, pad_edge=False)
    for record in [*opened, *reversed(over)]:
        table.add_row(_time(record.opened_ms), _time(record.resolved_ms), record.kind, record.text, _notified(record))
    console().print(table)


@alerts.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def test(options: CliContext, names: tuple[str, ...]) -> None:
    """Send a test message to the targets NAMES; without NAMES, to all targets in [alerts].

    Needs the addresses of the targets (DISPATCH_ALERTS_NAME_URL), and no Redis. Exits with 1 if a target did not take
    the message.
    """
    settings = options.settings(Need.ALERTS)
    chosen = _chosen(settings, names)
    results = asyncio.run(_send(settings, chosen))
    echo(*(f"{name:<16} {service:<12} {reason or 'sent'}" for name, service, reason in results))
    if failed := [name for name, _, reason in results if reason]:
        raise FailureExit(f"not sent to {', '.join(failed)}")


def _chosen(settings: Settings, names: Iterable[str]) -> list[str]:
    targets = settings.alerts.targets
    if not targets:
        raise RefusalExit("the settings have no target of alerts: add [alerts.targets.NAME], see docs/alerts.md")
    if unknown := [name for name in names if name not in targets]:
        raise RefusalExit(f"there is no target {', '.join(unknown)}; there is {', '.join(targets)}")
    return list(names) or list(targets)


async def _send(settings: Settings, names: list[str]) -> list[tuple[str, str, str]]:
    """Send the test message to all targets at once; return each target's name, service and reason of a failure."""
    from times_dispatch.alerts.targets import (  # noqa: PLC0415  # apprise is slow to import
        AppriseTarget,
        TargetInvalid,
        keep_addresses_out_of_logs,
    )

    keep_addresses_out_of_logs()
    title = f"{settings.alerts.name}: test"

    async def send(name: str) -> tuple[str, str, str]:
        table = settings.alerts.targets[name]
        kinds, senders = ", ".join(table.kinds) or "all kinds", ", ".join(table.senders) or "all senders"
        body = f"This is a test of alerts. {name} gets {kinds} of {senders}."
        try:
            target = AppriseTarget(name, settings.alert_urls[name])
        except TargetInvalid as invalid:
            return name, "", str(invalid)
        return name, target.service, await target.send(AlertMessage(title, body, "info"))

    return list(await asyncio.gather(*(send(name) for name in names)))


def _notified(record: AlertRecord) -> str:
    notified = [
        f"{name} {_time(of_target.resolved_ms or of_target.last_ms)}"
        for name, of_target in sorted(record.notified.items())
        if of_target.last_ms
    ]
    return ", ".join(notified)


def _time(epoch_ms: int) -> str:
    return second_in_india(epoch_ms / 1000) if epoch_ms else ""
