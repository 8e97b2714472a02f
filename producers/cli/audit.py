"""``dispatch audit``: lists who changed what, and when."""

import json
import time

import click
import msgspec
from redis.asyncio import Redis
from rich.table import Table

from producers.cli import CliContext, completion
from producers.cli.ledger import with_ledger
from producers.cli.output import console, echo, second_in_india, trail_detail
from producers.cli.sender_control import note_unknown_sender
from producers.cli.types import DurationType
from times_dispatch.ledger.campaigns.search import CampaignSearch
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.trail import Trail, TrailEntry


@click.command()
@click.argument("campaign", default="", shell_complete=completion.campaigns)
@click.option(
    "--sender",
    default="",
    shell_complete=completion.senders,
    help="List only changes of this sender and its campaigns.",
)
@click.option(
    "--since", "since_s", type=DurationType(), default=0, help="List only changes within this time before now: 24h, 7d."
)
@click.option(
    "--max",
    "max_entries",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="List at most this many changes, the newest.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def audit(options: CliContext, campaign: str, *, sender: str, since_s: float, max_entries: int, as_json: bool) -> None:
    """List who changed CAMPAIGN, and when, the oldest change first. Without CAMPAIGN, list all changes.

    An entry is written together with its change: submit, pause, resume, cancel, budget, resolve, the rate, pause and
    resume of a sender, every brake, exports, test messages, and changes of the opt-out list by hand.
    """

    async def read(redis: Redis) -> list[TrailEntry]:
        queries, match_id = Queries(redis), ""
        if campaign:
            match_id = await CampaignSearch(redis).find(campaign)
            owners = [str(await queries.sender_of(match_id))]
        else:
            if sender:
                await note_unknown_sender(redis, sender)
            owners = [sender] if sender else [*await queries.senders(), OPT_OUTS]
        since_ms = int((time.time() - since_s) * 1000) if since_s else 0
        return await Trail(redis).newest(owners, limit=max_entries, campaign=match_id, since_ms=since_ms)

    entries = with_ledger(options, read)
    if as_json:
        echo(json.dumps(msgspec.to_builtins(entries)))
        return
    table = Table("when", "who", "what", "sender", "campaign", "detail", box=None, pad_edge=False)
    for entry in entries:
        when = second_in_india(entry.at_ms / 1000)
        table.add_row(when, entry.actor, entry.action, entry.sender, entry.campaign, trail_detail(entry))
    console().print(table if entries else "nothing was changed")
