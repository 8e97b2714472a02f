"""``dispatch sender``: lists senders, changes their rate, pauses and resumes them, for all workers at once."""

import json

import click
import msgspec
from redis.asyncio import Redis
from rich.table import Table

from producers.cli import CliContext, CommandGroup, completion
from producers.cli.confirmation import campaign_lines, confirm, unsent_of, yes_option
from producers.cli.ledger import notify_workers, with_ledger
from producers.cli.output import console, echo
from producers.cli.sender_control import configured_senders, known_sender, pause_senders, resume_senders
from producers.errors import InputInvalid
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.plurals import counted
from times_dispatch.settings.values.rates import rate_problem


@click.group(cls=CommandGroup)
def sender() -> None:
    """List senders, change their rate, pause and resume them."""


@sender.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def list_(options: CliContext, *, as_json: bool) -> None:
    """List the senders with their rates, and the reasons why they do not send.

    A sender that never had a campaign is listed if somebody paused the sender.
    """
    configured = configured_senders(options) or []

    async def read(redis: Redis) -> list[SenderView]:
        queries = Queries(redis)
        known = await queries.senders()
        views = [await queries.sender(name) for name in sorted({*known, *configured})]
        return [view for view in views if view.paused or view.id in known]

    senders = with_ledger(options, read)
    if as_json:
        echo(json.dumps(msgspec.to_builtins(senders)))
        return
    columns = ("sender", "rate", "state", "parts today", "batches out", "campaigns in turn")
    table = Table(*columns, box=None, pad_edge=False)
    for view in senders:
        today = f"{view.parts_today:,} of {view.max_parts_per_day:,}" if view.max_parts_per_day else "no limit"
        table.add_row(
            view.id, _rate(view.rate_per_s), _state(view), today, f"{view.batches_out:,}", f"{view.campaigns_in_turn:,}"
        )
    console().print(table if senders else "no senders yet")


@sender.command()
@click.argument("name", shell_complete=completion.senders)
@click.argument("per_second", type=float)
@yes_option
@click.pass_obj
def rate(options: CliContext, name: str, per_second: float, *, yes: bool) -> None:
    """Set NAME's rate to PER_SECOND from the next block on; 0 is no limit. A later change in the settings overrides it.

    The command asks before it sets a rate above the rate of the settings.
    """
    if problem := rate_problem(per_second):
        raise InputInvalid(f"sender {name}: the rate {problem}")
    if not yes:
        _ask_if_above_settings(options, name, per_second)

    async def change(redis: Redis) -> None:
        sender = await known_sender(redis, name)
        await Control(redis, actor=options.actor).set_rate(sender, per_second)
        await notify_workers(options, redis, sender)

    with_ledger(options, change, repeats=False)
    echo(f"sender {name} may send {per_second:g}/s" if per_second else f"sender {name} has no limit")


@sender.command()
@click.argument("name", shell_complete=completion.senders)
@click.option("--reason", default="", help="The reason, shown wherever a campaign of the sender is listed.")
@yes_option
@click.pass_obj
def pause(options: CliContext, name: str, *, reason: str, yes: bool) -> None:
    """Pause sender NAME with all its campaigns; ask if there are several campaigns."""
    pause_senders(options, name, reason=reason, yes=yes)


@sender.command()
@click.argument("name", shell_complete=completion.senders)
@yes_option
@click.pass_obj
def resume(options: CliContext, name: str, *, yes: bool) -> None:
    """Resume sender NAME, also if the sender stopped itself or is backing off; ask if there are several campaigns."""
    resume_senders(options, name, yes=yes)


def _ask_if_above_settings(options: CliContext, name: str, per_second: float) -> None:
    """Ask before a sender gets a higher rate than the ledger knows from the settings."""

    async def read(redis: Redis) -> tuple[SenderView, list[CampaignView]]:
        queries, sender = Queries(redis), await known_sender(redis, name)
        return await queries.sender(sender), await queries.live(sender, damaged=[])

    view, campaigns = with_ledger(options, read)
    configured = view.configured_rate_per_s
    if not configured or 0 < per_second <= configured:
        return
    unsent = counted(unsent_of(campaigns), "unsent message")
    confirm(
        f"sets the rate of sender {name} to {_rate(per_second)}, above the {_rate(configured)} of the settings: "
        f"{counted(len(campaigns), 'live campaign')} with {unsent}",
        *campaign_lines(campaigns),
    )


def _rate(per_second: float) -> str:
    return f"{per_second:g}/s" if per_second else "no limit"


def _state(view: SenderView) -> str:
    if view.paused:
        return f"paused: {view.pause_reason}" if view.pause_reason else "paused"
    if view.day_is_used_up:
        return "parts of the day used up"
    return "; ".join(f"provider {state.provider} is {state.why}" for state in view.unavailable) or "runs"
