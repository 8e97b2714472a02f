"""``dispatch watch``: shows the progress of campaigns until all messages are sent, or until all reports have come."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

import click
from redis import exceptions
from redis.asyncio import Redis
from rich.progress import BarColumn

from producers.cli import TIMEOUTS, CliContext, completion
from producers.cli.ledger import name_campaign, with_ledger
from producers.cli.output import console, echo
from producers.cli.plain_column import PlainColumn, PlainProgress
from producers.cli.plain_console import PlainConsole
from producers.cli.types import FiniteFloatRange
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.campaigns.search import CampaignSearch
from times_dispatch.ledger.campaigns.summary import progress_line
from times_dispatch.ledger.campaigns.words import state_in_words
from times_dispatch.ledger.connection import address_of
from times_dispatch.ledger.model import CampaignId, CampaignView, WaitsFor
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import AWAITING_REPORT, CampaignState, MessageState
from times_dispatch.plurals import counted
from times_dispatch.status.roles import missing_workers

_INTERRUPTED = 130
"""The exit code that shells give a command which Ctrl-C ended."""
_BAR_WIDTH = 16
"""Columns of a bar: so few that a terminal of 60 columns has room for the figures beside the bar."""
_POLL_INTERVAL_S = 0.5
_POLLS_FOR_RATE = 10
"""The rate is measured over this many of the latest polls."""
_WORKERS_INTERVAL_S = 5.0
"""The time between two checks whether workers run."""
_PRINT_INTERVAL_S = 2.0
"""The shortest time between two lines about a campaign, where stdout is no terminal."""
_LOST = (exceptions.ConnectionError, exceptions.TimeoutError)


class Until(StrEnum):
    """The moment until which a campaign is watched."""

    SENT = "sent"
    """No message is left to send; a report may still bring a second try."""
    REPORTS = "reports"
    """No message is left to send, and no message awaits a delivery report."""


@click.command()
@click.argument("campaigns", nargs=-1, required=True, shell_complete=completion.campaigns)
@click.option(
    "--until",
    type=click.Choice([each.value for each in Until]),
    default=Until.SENT.value,
    show_default=True,
    help="sent: no message is left to send. reports: every message has its report, or no longer waits for a report.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=FiniteFloatRange(min=0),
    default=0,
    help="Stop watching after this many seconds; 0 is no limit.",
)
@click.pass_obj
def watch(options: CliContext, campaigns: tuple[str, ...], *, until: str, timeout_s: float) -> None:
    """Watch CAMPAIGNS until no message is left to send.

    Exits with 1 if a campaign was cancelled or stopped itself, or if --timeout is over. Ctrl-C ends the command; the
    campaigns go on.
    """

    async def follow_campaigns(redis: Redis) -> list[CampaignView]:
        queries, search, ids = Queries(redis), CampaignSearch(redis), list[CampaignId]()
        for words in campaigns:
            ids.append(await search.find(words))
            name_campaign(words, ids[-1])
            await queries.campaign(ids[-1])  # raises, before any output, for a damaged campaign
        return await follow(
            queries,
            list(dict.fromkeys(ids)),
            until=Until(until),
            timeout_s=timeout_s,
            missing=lambda: missing_workers(redis),
            name_of_redis=address_of(redis),
            redis_timeout_s=options.timeouts.watch_s,
        )

    try:
        views = with_ledger(options, follow_campaigns)
    except KeyboardInterrupt:
        echo("the campaign goes on" if len(campaigns) == 1 else "the campaigns go on", err=True)
        raise SystemExit(_INTERRUPTED) from None
    if problems := [problem for view in views if (problem := _problem(view, Until(until)))]:
        echo(*problems, err=True)
        raise SystemExit(1)


async def follow(
    queries: Queries,
    campaigns: Sequence[CampaignId],
    *,
    until: Until = Until.SENT,
    timeout_s: float,
    missing: Callable[[], Awaitable[str]] | None = None,
    name_of_redis: str = "",
    redis_timeout_s: float = TIMEOUTS.watch_s,
    clock: Clock = SYSTEM_CLOCK,
) -> list[CampaignView]:
    """Print the progress of campaigns until all have ended; return their last views.

    Where stdout is no terminal, a line about a campaign is printed only when it differs from the last line about it.

    A cancelled campaign sends no more messages, and a campaign that stopped itself waits for a person: both have ended.
    A cancelled campaign still gets reports. While Redis does not answer, this function prints a message and waits.

    Args:
        queries: the reading side of the ledger.
        campaigns: ids of the campaigns, each once.
        until: when a campaign that was not stopped has ended.
        timeout_s: seconds after which to return in any case; 0 is no limit.
        missing: returns since when no worker runs, or an empty text if a worker runs; its text is printed whenever it
            changes. None checks no workers.
        name_of_redis: the address of Redis, for messages.
        redis_timeout_s: seconds to wait while Redis does not answer.
        clock: the clock of all waits.

    Raises:
        RedisError: Redis did not answer for *redis_timeout_s*.
    """
    out = console()
    polls = {campaign: deque[tuple[float, int]](maxlen=_POLLS_FOR_RATE) for campaign in campaigns}
    started_s = printed_s = clock.monotonic()
    workers = _WorkerWatch(missing, clock)
    silence = _RedisSilence(name_of_redis, redis_timeout_s, clock)
    lines = _Lines(out)
    columns = (BarColumn(bar_width=_BAR_WIDTH), PlainColumn())
    with PlainProgress(*columns, console=out, disable=not out.is_terminal) as bar:
        views = {campaign: await queries.campaign(campaign) for campaign in campaigns}
        await workers.look()
        tasks = {campaign: bar.add_task("", total=view.total) for campaign, view in views.items()}
        while True:
            now_s = clock.monotonic()
            for campaign, view in views.items():
                polls[campaign].append((now_s, view.done))
                summary = progress_line(view, _rate_per_s(polls[campaign]))
                lines.set(campaign, summary if len(views) == 1 else f"{campaign} {view.plan.name}: {summary}")
                description = f"{_title(view)}{summary}"
                bar.update(tasks[campaign], description=description, completed=view.done, total=view.total)
            going_on = [campaign for campaign, view in views.items() if not _has_ended(view, until)]
            if not going_on or (timeout_s and now_s - started_s > timeout_s):
                break
            if not out.is_terminal and now_s - printed_s >= _PRINT_INTERVAL_S:
                lines.print_changed()
                printed_s = now_s
            await clock.sleep(_POLL_INTERVAL_S)
            try:
                for campaign in going_on:
                    views[campaign] = await queries.campaign(campaign)
                await workers.look()
            except _LOST as error:
                silence.began(error)
            else:
                silence.ended()
    if not out.is_terminal:
        lines.print_changed()
    return list(views.values())


class _WorkerWatch:
    """Prints on stderr that no worker runs, and when workers run again."""

    def __init__(self, missing: Callable[[], Awaitable[str]] | None, clock: Clock) -> None:
        self._missing = missing
        self._clock = clock
        self._looks_at_s = clock.monotonic()
        self._is_missing = False

    async def look(self) -> None:
        """Check every few seconds; print nothing if Redis refuses the check."""
        if not self._missing or self._clock.monotonic() < self._looks_at_s:
            return
        self._looks_at_s = self._clock.monotonic() + _WORKERS_INTERVAL_S
        try:
            line = await self._missing()
        except exceptions.ResponseError:
            return
        if bool(line) != self._is_missing:
            self._is_missing = bool(line)
            echo(f"warning: {line}" if line else "workers run again", err=True)


class _RedisSilence:
    """Prints on stderr that Redis does not answer, and when Redis answers again."""

    def __init__(self, name_of_redis: str, timeout_s: float, clock: Clock) -> None:
        self._name = name_of_redis
        self._timeout_s = timeout_s
        self._clock = clock
        self._since_s: float | None = None

    def began(self, error: exceptions.RedisError) -> None:
        """Print once that Redis does not answer; raise the error when the silence has lasted too long."""
        now_s = self._clock.monotonic()
        if self._since_s is None:
            self._since_s = now_s
            echo(f"Redis at {self._name} does not answer: waiting for it", err=True)
        elif now_s - self._since_s > self._timeout_s:
            raise error

    def ended(self) -> None:
        """Print that Redis answers again, if Redis did not answer before."""
        if self._since_s is not None:
            self._since_s = None
            echo(f"Redis at {self._name} answers again", err=True)


class _Lines:
    """The line about each campaign; prints a line again only after it has changed."""

    def __init__(self, out: PlainConsole) -> None:
        self._out = out
        self._lines: dict[CampaignId, str] = {}
        self._printed: dict[CampaignId, str] = {}

    def set(self, campaign: CampaignId, line: str) -> None:
        """Replace the line about a campaign."""
        self._lines[campaign] = line

    def print_changed(self) -> None:
        """Print each line that differs from the line that was last printed about its campaign."""
        for campaign, line in self._lines.items():
            if self._printed.get(campaign) != line:
                self._out.print(line)
        self._printed = dict(self._lines)


def _title(view: CampaignView) -> str:
    """Return the name of a campaign, and the thing that the campaign waits for; the summary names other states."""
    words = state_in_words(view)
    waits = view.state is CampaignState.RUNNING and words != CampaignState.RUNNING
    return f"{view.plan.name}: {words}, " if waits else f"{view.plan.name}: "


def _has_ended(view: CampaignView, until: Until) -> bool:
    if view.state is CampaignState.BRAKED:
        return True
    if until is Until.SENT and view.waits_for is WaitsFor.REPORTS:
        return True
    if view.state not in {CampaignState.FINISHED, CampaignState.CANCELLED}:
        return False
    return until is Until.SENT or not (view.counts[MessageState.SENDING] or _awaiting_reports(view))


def _awaiting_reports(view: CampaignView) -> int:
    """Return how many messages of a campaign may still get a report that changes their state."""
    return sum(view.counts[state] for state in AWAITING_REPORT)


def _problem(view: CampaignView, until: Until) -> str:
    """Return why a campaign did not end as wanted; empty if it did."""
    if until is Until.SENT and view.waits_for is WaitsFor.REPORTS:
        return ""
    if view.state is not CampaignState.FINISHED:
        return f"campaign {view.id} is {state_in_words(view)}" + (f": {view.reason}" if view.reason else "")
    if until is Until.REPORTS and (awaiting := _awaiting_reports(view)):
        return f"campaign {view.id} is finished: {counted(awaiting, 'message')} still without a report"
    return ""


def _rate_per_s(polls: deque[tuple[float, int]]) -> float:
    (first_s, first), (last_s, last) = polls[0], polls[-1]
    return (last - first) / (last_s - first_s) if last_s > first_s else 0.0
