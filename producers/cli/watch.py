"""``dispatch watch``: shows a campaign's progress until nothing is left to send."""

from collections import deque

import click
from redis.asyncio import Redis
from rich.progress import BarColumn, Progress

from producers.cli import CliContext
from producers.cli.ledger import warn_without_workers, with_ledger
from producers.cli.output import console, echo
from producers.cli.plain_console import PlainColumn
from producers.cli.types import FiniteFloatRange
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.campaign_search import CampaignSearch
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.summary import progress_line

_INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""
_POLL_INTERVAL_S = 0.5
_POLLS_FOR_RATE = 10
"""The rate is measured over this many of the latest polls."""
_PRINT_INTERVAL_S = 2.0
"""Without a terminal, a line is printed this often."""


@click.command()
@click.argument("campaign")
@click.option("--timeout", "timeout_s", type=FiniteFloatRange(min=0), default=0, help="Give up after so many seconds.")
@click.pass_obj
def watch(options: CliContext, campaign: str, *, timeout_s: float) -> None:
    """Watch CAMPAIGN until nothing is left to send; exit with 1 if it was cancelled, stopped itself, or time is up."""

    async def follow_campaign(redis: Redis) -> CampaignView:
        match_id = await CampaignSearch(redis).find(campaign)  # an unknown campaign is the only thing to say then
        await warn_without_workers(redis)
        return await follow(Queries(redis), match_id, timeout_s=timeout_s)

    try:
        view = with_ledger(options, follow_campaign)
    except KeyboardInterrupt:
        echo("the campaign goes on", err=True)
        raise SystemExit(_INTERRUPTED) from None
    if view.state is not CampaignState.FINISHED:
        echo(f"campaign {view.id} is {view.state}" + (f": {view.reason}" if view.reason else ""), err=True)
        raise SystemExit(1)


async def follow(
    queries: Queries, campaign: CampaignId, *, timeout_s: float, clock: Clock = SYSTEM_CLOCK
) -> CampaignView:
    """Print a campaign's progress until nothing is left to send; return the campaign as it is then.

    Args:
        queries: the reading side of the ledger.
        campaign: id of the campaign.
        timeout_s: seconds after which to return in any case; 0 is no limit.
        clock: the clock that the waits use.
    """
    out = console()
    polls: deque[tuple[float, int]] = deque(maxlen=_POLLS_FOR_RATE)
    started_s = printed_s = clock.monotonic()
    columns = (PlainColumn(), BarColumn(), PlainColumn("summary"))
    with Progress(*columns, console=out, disable=not out.is_terminal) as bar:
        view = await queries.campaign(campaign)
        task = bar.add_task(view.plan.name, total=view.total)
        while True:
            now_s = clock.monotonic()
            polls.append((now_s, view.done))
            summary = progress_line(view, _rate_per_s(polls))
            bar.update(task, completed=view.done, total=view.total, summary=summary)
            has_ended = view.state in {CampaignState.FINISHED, CampaignState.CANCELLED, CampaignState.BRAKED}
            if has_ended or (timeout_s and now_s - started_s > timeout_s):
                break
            if not out.is_terminal and now_s - printed_s >= _PRINT_INTERVAL_S:
                out.print(summary)
                printed_s = now_s
            await clock.sleep(_POLL_INTERVAL_S)
            view = await queries.campaign(campaign)
    if not out.is_terminal:
        out.print(summary)
    return view


def _rate_per_s(polls: deque[tuple[float, int]]) -> float:
    (first_s, first), (last_s, last) = polls[0], polls[-1]
    return (last - first) / (last_s - first_s) if last_s > first_s else 0.0
