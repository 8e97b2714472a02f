"""``dispatch pause``, ``resume``, ``cancel``, ``budget``, ``resolve``: a campaign's course, for all workers at once."""

from typing import Literal

import click
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.ledger import ring_for, with_ledger
from times_dispatch.ledger.control import Action, Control
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries, SenderView
from times_dispatch.ledger.states import CampaignState

_IN_SUBMISSION = {
    CampaignState.PAUSED: "pause it when that has ended, or give it up: dispatch cancel {}",
    CampaignState.RUNNING: "it runs by itself when that has ended",
}
"""What can be done meanwhile, by the state that was wanted."""


def _steer(options: CliContext, campaign: str, action: Action, reason: str, wanted: CampaignState) -> None:
    async def change(redis: Redis) -> tuple[bool, CampaignState]:
        sender = await Queries(redis).sender_of(CampaignId(campaign))
        return await Control(redis).campaign(sender, CampaignId(campaign), action, reason=reason)

    _say(campaign, *with_ledger(options, change), wanted=wanted)


def _say(campaign: str, changed: bool, state: CampaignState, *, wanted: CampaignState) -> None:
    if changed or state is wanted:
        click.echo(f"campaign {campaign} is {state}")
        return
    if state is CampaignState.SUBMITTING:
        hint = _IN_SUBMISSION[wanted].format(campaign)
        why = f"is still being submitted, and nothing of it is sent yet: {hint}"
    else:
        why = f"is {state}: it cannot be {wanted} any more"
    click.echo(f"campaign {campaign} {why}", err=True)
    raise SystemExit(1)


@click.command()
@click.argument("campaign")
@click.option("--reason", default="by hand", help="Shown wherever the campaign is.")
@click.pass_obj
def pause(options: CliContext, campaign: str, *, reason: str) -> None:
    """Hold CAMPAIGN: no push starts later than a second after this has returned."""
    _steer(options, campaign, "pause", reason, CampaignState.PAUSED)


@click.command()
@click.argument("campaign")
@click.pass_obj
def resume(options: CliContext, campaign: str) -> None:
    """Let CAMPAIGN go on where it stopped, also after it stopped itself; exit with 1 if something else stops it."""

    async def change(redis: Redis) -> tuple[bool, CampaignView, SenderView]:
        views, id_ = Queries(redis), CampaignId(campaign)
        sender = await views.sender_of(id_)
        changed, _ = await Control(redis).campaign(sender, id_, "resume")
        await ring_for(options, redis, sender)
        return changed, await views.campaign(id_), await views.sender(sender)

    changed, view, sender = with_ledger(options, change)
    if view.state is CampaignState.BRAKED or not view.identity_holds:
        click.echo(f"campaign {campaign} is {view.state}: {view.reason}", err=True)
        raise SystemExit(1)
    if view.state is CampaignState.RUNNING and sender.waits_for_resume(view.plan.chain):
        click.echo(f"campaign {campaign} is running, but nothing of it goes: {view.reason}", err=True)
        raise SystemExit(1)
    if view.state is CampaignState.RUNNING and view.reason:
        click.echo(f"campaign {campaign} is running: {view.reason}")
    else:
        _say(campaign, changed, view.state, wanted=CampaignState.RUNNING)


@click.command()
@click.argument("campaign")
@click.pass_obj
def cancel(options: CliContext, campaign: str) -> None:
    """Stop CAMPAIGN for good: what is not sent yet is cancelled, what is in doubt is not sent again."""
    _steer(options, campaign, "cancel", "by hand", CampaignState.CANCELLED)


@click.command()
@click.argument("campaign")
@click.argument("parts", type=click.IntRange(min=0))
@click.pass_obj
def budget(options: CliContext, campaign: str, parts: int) -> None:
    """Set the SMS PARTS that CAMPAIGN may hand to the provider in all, from the next block on; 0 is no limit.

    One that stopped itself because its budget was spent goes on after ``dispatch resume``.
    """

    async def change(redis: Redis) -> None:
        sender = await Queries(redis).sender_of(CampaignId(campaign))
        await Control(redis).set_budget(sender, CampaignId(campaign), parts)

    with_ledger(options, change)
    click.echo(f"campaign {campaign} may use {parts:,} parts" if parts else f"campaign {campaign} has no budget")


@click.command()
@click.argument("campaign")
@click.option(
    "--as",
    "how",
    type=click.Choice(["sent", "resend"]),
    required=True,
    help="sent: count them as accepted, a report may still come. resend: send them again, at your own risk.",
)
@click.pass_obj
def resolve(options: CliContext, campaign: str, *, how: Literal["sent", "resend"]) -> None:
    """Decide now about all messages of CAMPAIGN that are in doubt.

    What is to be sent again of a campaign that is paused, or stopped itself, waits for ``dispatch resume``.
    """

    async def decide(redis: Redis) -> tuple[int, CampaignState]:
        views = Queries(redis)
        sender = await views.sender_of(CampaignId(campaign))
        decided = await Control(redis).resolve(sender, CampaignId(campaign), how)
        return decided, (await views.campaign(CampaignId(campaign))).state

    decided, state = with_ledger(options, decide)
    said = f"{decided:,} messages in doubt are now {'accepted' if how == 'sent' else 'pending again'}"
    if how == "resend" and decided and state in {CampaignState.PAUSED, CampaignState.BRAKED}:
        said += f"; campaign {campaign} is {state}: they wait for dispatch resume {campaign}"
    click.echo(said)
