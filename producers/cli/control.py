"""``dispatch pause``, ``resume``, ``cancel``, ``budget`` and ``resolve``: control a campaign for all workers."""

from typing import Literal

import click
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.ledger import notify_workers, with_ledger
from producers.cli.output import echo
from producers.errors import CommandFailed
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries, SenderView
from times_dispatch.ledger.report_backlog import unapplied_reports
from times_dispatch.ledger.states import CampaignState

_HINTS_DURING_SUBMIT = {
    CampaignState.PAUSED: "pause it after the submit has ended, or give it up: dispatch cancel {}",
    CampaignState.RUNNING: "it runs by itself after the submit has ended",
}
"""Advice about a campaign that is still being submitted, by the state that was wanted."""


@click.command()
@click.argument("campaign")
@click.option("--reason", default="by hand", help="Shown wherever the campaign is listed.")
@click.pass_obj
def pause(options: CliContext, campaign: str, *, reason: str) -> None:
    """Pause CAMPAIGN: no push starts later than a second after this command has ended."""
    _change_state(options, campaign, ControlAction.PAUSE, reason, CampaignState.PAUSED)


@click.command()
@click.argument("campaign")
@click.pass_obj
def resume(options: CliContext, campaign: str) -> None:
    """Resume CAMPAIGN where it stopped, also if it stopped itself; exit with 1 if something else holds it back."""

    async def change(redis: Redis) -> tuple[bool, CampaignView, SenderView]:
        queries, id_ = Queries(redis), CampaignId(campaign)
        sender = await queries.sender_of(id_)
        changed, _ = await Control(redis, actor=options.actor).campaign(sender, id_, ControlAction.RESUME)
        await notify_workers(options, redis, sender)
        return changed, await queries.campaign(id_), await queries.sender(sender)

    changed, view, sender = with_ledger(options, change)
    if view.state is CampaignState.BRAKED or not view.counters_add_up:
        echo(f"campaign {campaign} is {view.state}: {view.reason}", err=True)
        raise SystemExit(1)
    if view.state is CampaignState.RUNNING and sender.waits_for_resume(view.plan.chain):
        echo(f"campaign {campaign} is running, but nothing is sent: {view.reason}", err=True)
        raise SystemExit(1)
    if view.state is CampaignState.RUNNING and view.reason:
        echo(f"campaign {campaign} is running: {view.reason}")
    else:
        _print_state(campaign, changed, view.state, wanted=CampaignState.RUNNING)


@click.command()
@click.argument("campaign")
@click.pass_obj
def cancel(options: CliContext, campaign: str) -> None:
    """Cancel CAMPAIGN for good: unsent messages are cancelled, messages in doubt are not sent again."""
    _change_state(options, campaign, ControlAction.CANCEL, "by hand", CampaignState.CANCELLED)


@click.command()
@click.argument("campaign")
@click.argument("parts", type=click.IntRange(min=0))
@click.pass_obj
def budget(options: CliContext, campaign: str, parts: int) -> None:
    """Set the SMS PARTS that CAMPAIGN may hand to the provider in all, from the next block on; 0 is no limit.

    A campaign that stopped itself because its budget was spent goes on after ``dispatch resume``.
    """

    async def change(redis: Redis) -> None:
        sender = await Queries(redis).sender_of(CampaignId(campaign))
        await Control(redis, actor=options.actor).set_budget(sender, CampaignId(campaign), parts)

    with_ledger(options, change, repeats=False)
    echo(f"campaign {campaign} may use {parts:,} parts" if parts else f"campaign {campaign} has no budget")


@click.command()
@click.argument("campaign")
@click.option(
    "--as",
    "decision",
    type=click.Choice(["sent", "resend"]),
    required=True,
    help="sent: count them as accepted, a report may still come. resend: send them again, at your own risk.",
)
@click.option("--force", is_flag=True, help="Decide although reports may be waiting that say what became of them.")
@click.pass_obj
def resolve(options: CliContext, campaign: str, *, decision: Literal["sent", "resend"], force: bool) -> None:
    """Decide about all messages of CAMPAIGN that are in doubt now.

    Refused while reports wait that are not applied yet, or while no reconciler runs: a report may say that a message
    was delivered. If the campaign is paused, or stopped itself, messages to be sent again wait for ``dispatch resume``.
    """

    async def decide(redis: Redis) -> tuple[int, CampaignState]:
        queries = Queries(redis)
        sender = await queries.sender_of(CampaignId(campaign))
        if unapplied := await unapplied_reports(redis):
            if not force:
                raise CommandFailed(f"{unapplied}; then run this again, or decide all the same with --force")
            echo(f"ignored: {unapplied}", err=True)
        decided = await Control(redis, actor=options.actor).resolve(sender, CampaignId(campaign), decision)
        return decided, (await queries.campaign(CampaignId(campaign))).state

    decided, state = with_ledger(options, decide)
    message = f"{decided:,} messages in doubt are now {'accepted' if decision == 'sent' else 'pending again'}"
    if decision == "resend" and decided and state in {CampaignState.PAUSED, CampaignState.BRAKED}:
        message += f"; campaign {campaign} is {state}: they wait for dispatch resume {campaign}"
    echo(message)


def _change_state(
    options: CliContext, campaign: str, action: ControlAction, reason: str, wanted: CampaignState
) -> None:
    """Change a campaign's state and print the new state.

    Args:
        options: the options of the command line.
        campaign: the id of the campaign.
        action: the action to take.
        reason: is stored with the campaign.
        wanted: the state that the action leads to.

    Raises:
        SystemExit: with 1, after a line on stderr, if the campaign is in another state now.
    """

    async def change(redis: Redis) -> tuple[bool, CampaignState]:
        sender = await Queries(redis).sender_of(CampaignId(campaign))
        return await Control(redis, actor=options.actor).campaign(sender, CampaignId(campaign), action, reason=reason)

    _print_state(campaign, *with_ledger(options, change), wanted=wanted)


def _print_state(campaign: str, changed: bool, state: CampaignState, *, wanted: CampaignState) -> None:
    if changed or state is wanted:
        echo(f"campaign {campaign} is {state}")
        return
    if state is CampaignState.SUBMITTING:
        hint = _HINTS_DURING_SUBMIT[wanted].format(campaign)
        problem = f"is still being submitted, and nothing of it is sent yet: {hint}"
    else:
        problem = f"is {state}: it cannot be {wanted} any more"
    echo(f"campaign {campaign} {problem}", err=True)
    raise SystemExit(1)
