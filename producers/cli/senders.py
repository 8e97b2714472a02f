"""``dispatch sender``: lists senders, changes their rate, pauses and resumes them, for all workers at once."""

import json

import click
import msgspec
from redis.asyncio import Redis
from rich.table import Table

from producers.cli import CliContext
from producers.cli.ledger import notify_workers, with_ledger
from producers.cli.output import console, echo
from producers.errors import CommandFailed, InputInvalid
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.queries import Queries, SenderView
from times_dispatch.settings.rates import rate_problem


@click.group()
def sender() -> None:
    """List senders, change their rate, pause and resume them."""


@sender.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_obj
def list_(options: CliContext, *, as_json: bool) -> None:
    """List the senders with their rates, and the reasons why they do not send."""

    async def read(redis: Redis) -> list[SenderView]:
        queries = Queries(redis)
        return [await queries.sender(name) for name in await queries.senders()]

    senders = with_ledger(options, read)
    if as_json:
        echo(json.dumps(msgspec.to_builtins(senders)))
        return
    columns = ("sender", "rate", "state", "parts today", "batches out", "campaigns in turn")
    table = Table(*columns, box=None, pad_edge=False)
    for view in senders:
        rate = f"{view.rate_per_s:g}/s" if view.rate_per_s else "no limit"
        today = f"{view.parts_today:,} of {view.max_parts_per_day:,}" if view.max_parts_per_day else "no limit"
        table.add_row(view.id, rate, _state(view), today, f"{view.batches_out:,}", f"{view.campaigns_in_turn:,}")
    console().print(table if senders else "no senders yet")


@sender.command()
@click.argument("name")
@click.argument("per_second", type=float)
@click.pass_obj
def rate(options: CliContext, name: str, per_second: float) -> None:
    """Set NAME's rate to PER_SECOND from the next block on; 0 is no limit. A change in the settings overrides it."""
    if problem := rate_problem(per_second):
        raise InputInvalid(f"sender {name}: the rate {problem}")

    async def change(redis: Redis) -> None:
        sender = await _known(redis, name)
        await Control(redis, actor=options.actor).set_rate(sender, per_second)
        await notify_workers(options, redis, sender)

    with_ledger(options, change, repeats=False)
    echo(f"sender {name} may send {per_second:g}/s" if per_second else f"sender {name} has no limit")


@sender.command()
@click.argument("name")
@click.pass_obj
def pause(options: CliContext, name: str) -> None:
    """Pause all campaigns of NAME."""

    async def change(redis: Redis) -> None:
        await Control(redis, actor=options.actor).pause_sender(await _known(redis, name))

    with_ledger(options, change)
    echo(f"sender {name} is paused")


@sender.command()
@click.argument("name")
@click.pass_obj
def resume(options: CliContext, name: str) -> None:
    """Resume all campaigns of NAME, also if NAME stopped itself or is backing off."""

    async def change(redis: Redis) -> None:
        sender = await _known(redis, name)
        if not await Control(redis, actor=options.actor).resume_sender(sender):
            raise CommandFailed(
                f"sender {name} was paused or stopped itself at this moment: look at it, and run this again"
            )
        await notify_workers(options, redis, sender)

    with_ledger(options, change)
    echo(f"sender {name} goes on")


async def _known(redis: Redis, name: str) -> SenderId:
    known = await Queries(redis).senders()
    if SenderId(name) not in known:
        raise InputInvalid(f"sender {name}: the ledger has no sender of this name; it has {', '.join(known) or 'none'}")
    return SenderId(name)


def _state(view: SenderView) -> str:
    if view.paused:
        return "paused"
    if view.day_is_used_up:
        return "parts of the day used up"
    return "; ".join(f"provider {state.provider} is {state.why}" for state in view.unavailable) or "runs"
