"""``dispatch watch``: a campaign's progress, live."""

import asyncio
import time
from collections import deque

import click
from redis.asyncio import Redis
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from producers.cli import CliContext
from producers.cli.ledger import with_ledger
from producers.cli.output import FiniteFloatRange, console
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.summary import progress_line

_EVERY_S = 0.5
_SPAN = 10
"""The rate is that of the last so many looks."""
_LINE_EVERY_S = 2.0
"""Where there is no terminal, a line is printed so often."""


class _Line(ProgressColumn):
    """The campaign's line, as Flower shows it."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("line", "")))


@click.command()
@click.argument("campaign")
@click.option("--timeout", "timeout_s", type=FiniteFloatRange(min=0), default=0, help="Give up after so many seconds.")
@click.pass_obj
def watch(options: CliContext, campaign: str, *, timeout_s: float) -> None:
    """Watch CAMPAIGN until nothing is left to send; exit with 1 if it was cancelled, stopped itself, or time is up."""

    async def follow(redis: Redis) -> CampaignView:
        return await _follow(Queries(redis), CampaignId(campaign), timeout_s)

    view = with_ledger(options, follow)
    if view.state is not CampaignState.FINISHED:
        click.echo(f"campaign {campaign} is {view.state}" + (f": {view.reason}" if view.reason else ""), err=True)
        raise SystemExit(1)


async def _follow(views: Queries, campaign: CampaignId, timeout_s: float) -> CampaignView:
    out = console()
    seen: deque[tuple[float, int]] = deque(maxlen=_SPAN)
    began = printed = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), _Line())
    with Progress(*columns, console=out, disable=not out.is_terminal) as bar:
        view = await views.campaign(campaign)
        task = bar.add_task(view.plan.name, total=view.total)
        while True:
            now = time.monotonic()
            seen.append((now, view.done))
            text = progress_line(view, _rate(seen))
            bar.update(task, completed=view.done, total=view.total, line=text)
            over = view.state in {CampaignState.FINISHED, CampaignState.CANCELLED, CampaignState.BRAKED}
            if over or (timeout_s and now - began > timeout_s):
                break
            if not out.is_terminal and now - printed >= _LINE_EVERY_S:
                out.print(text)
                printed = now
            await asyncio.sleep(_EVERY_S)
            view = await views.campaign(campaign)
    if not out.is_terminal:
        out.print(text)
    return view


def _rate(seen: deque[tuple[float, int]]) -> float:
    (first_at, first), (last_at, last) = seen[0], seen[-1]
    return (last - first) / (last_at - first_at) if last_at > first_at else 0.0
