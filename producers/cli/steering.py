"""``dispatch pause``, ``resume``, ``cancel``, ``budget``, ``resolve``: a campaign's course, for all workers at once."""

from typing import Literal

import click
from redis.asyncio import Redis

from campaigns.control import Action, Control
from campaigns.model import CampaignId
from campaigns.states import CampaignState
from campaigns.views import Views
from producers.cli import Globals
from producers.cli.ledger import ring_for, with_ledger


def _steer(options: Globals, campaign: str, action: Action, reason: str, wanted: CampaignState) -> None:
    async def change(redis: Redis) -> tuple[bool, CampaignState]:
        sender = await Views(redis).sender_of(CampaignId(campaign))
        done = await Control(redis).campaign(sender, CampaignId(campaign), action, reason=reason)
        if action == "resume":
            await ring_for(options, redis, sender)
        return done

    changed, state = with_ledger(options, change)
    if not changed and state is not wanted:
        click.echo(f"campaign {campaign} is {state}: it cannot be {wanted} any more", err=True)
        raise SystemExit(1)
    click.echo(f"campaign {campaign} is {state}")


@click.command()
@click.argument("campaign")
@click.option("--reason", default="by hand", help="Shown wherever the campaign is.")
@click.pass_obj
def pause(options: Globals, campaign: str, *, reason: str) -> None:
    """Hold CAMPAIGN: no push starts later than a second after this has returned."""
    _steer(options, campaign, "pause", reason, CampaignState.PAUSED)


@click.command()
@click.argument("campaign")
@click.pass_obj
def resume(options: Globals, campaign: str) -> None:
    """Let CAMPAIGN go on where it stopped, also after it stopped itself."""
    _steer(options, campaign, "resume", "", CampaignState.RUNNING)


@click.command()
@click.argument("campaign")
@click.pass_obj
def cancel(options: Globals, campaign: str) -> None:
    """Stop CAMPAIGN for good: what is not sent yet is cancelled."""
    _steer(options, campaign, "cancel", "by hand", CampaignState.CANCELLED)


@click.command()
@click.argument("campaign")
@click.argument("parts", type=click.IntRange(min=0))
@click.pass_obj
def budget(options: Globals, campaign: str, parts: int) -> None:
    """Set the SMS PARTS that CAMPAIGN may hand to the provider in all, from the next block on; 0 is no limit.

    One that stopped itself because its budget was spent goes on after ``dispatch resume``.
    """

    async def change(redis: Redis) -> None:
        sender = await Views(redis).sender_of(CampaignId(campaign))
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
def resolve(options: Globals, campaign: str, *, how: Literal["sent", "resend"]) -> None:
    """Decide now about all messages of CAMPAIGN that are in doubt."""

    async def decide(redis: Redis) -> int:
        sender = await Views(redis).sender_of(CampaignId(campaign))
        return await Control(redis).resolve(sender, CampaignId(campaign), how)

    decided = with_ledger(options, decide)
    click.echo(f"{decided:,} messages in doubt are now {'accepted' if how == 'sent' else 'pending again'}")
