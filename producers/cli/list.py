"""``dispatch list``: lists the live campaigns and the newest of those that ended, the newest first."""

import json

import click
from redis.asyncio import Redis
from rich.table import Table

from producers.cli import CliContext
from producers.cli.ledger import warn_without_workers, with_ledger
from producers.cli.output import campaign_as_json, console, counted, echo
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState

_MAX_ENDED = 100


@click.command("list")
@click.option(
    "--ended",
    "max_ended",
    type=click.IntRange(min=0),
    default=_MAX_ENDED,
    show_default=True,
    help="Show so many of the campaigns that are finished or cancelled.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_obj
def list_(options: CliContext, *, max_ended: int, as_json: bool) -> None:
    """List all live campaigns, and the newest of those that are finished or cancelled; the newest first."""
    damaged = list[CampaignDamaged]()

    async def campaigns(redis: Redis) -> tuple[list[CampaignView], int]:
        listed = await Queries(redis).live_and_ended(max_ended=max_ended, damaged=damaged)
        await warn_without_workers(redis)
        return listed

    views, left_out = with_ledger(options, campaigns)
    if left_out:
        older = f"{counted(left_out, 'older campaign')} that ended: dispatch list --ended {max_ended + left_out}"
        echo(f"not shown: {older}", err=True)
    if damaged:
        ids = ", ".join(damage.campaign for damage in damaged)
        echo(f"damaged in the ledger, restore them (docs/operations.md): {ids}", err=True)
    if as_json:
        echo(json.dumps([*map(campaign_as_json, views), *map(_damaged_as_json, damaged)]))
        return
    table = Table("id", "name", "sender", "state", box=None, pad_edge=False)
    for column in ("messages", "unsent", "delivered", "failed", "in doubt"):
        table.add_column(column, justify="right")
    table.add_column("reason")
    for view in views:
        counts = view.counts
        failed = counts[MessageState.FAILED] + counts[MessageState.REJECTED]
        numbers = (view.total, view.unsent, counts[MessageState.DELIVERED], failed, counts[MessageState.IN_DOUBT])
        table.add_row(
            view.id, view.plan.name, view.plan.sender, view.state, *(f"{number:,}" for number in numbers), view.reason
        )
    for damage in damaged:
        table.add_row(damage.campaign, "", damage.sender, "damaged", *[""] * 5, damage.what)
    console().print(table if views or damaged else "no campaigns yet")


def _damaged_as_json(damage: CampaignDamaged) -> dict[str, str]:
    return {"id": damage.campaign, "sender": damage.sender, "state": "damaged", "reason": damage.what}
