"""``dispatch stats``: shows results of messages, their cost, and the times until delivery, from counters alone."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import click
import msgspec
from redis.asyncio import Redis
from rich.table import Table

from producers.cli import CliContext, completion
from producers.cli.archived import catalog_with_keys
from producers.cli.ledger import campaign_meant, settings_if_valid, with_ledger
from producers.cli.output import console, echo
from producers.cli.plain_console import PlainConsole
from producers.cli.sender_control import note_unknown_sender
from producers.cli.statistics_json import daily_average, statistics_as_json
from producers.cli.types import DayType, refuse_reversed_days
from producers.export.resend_chain import ChainFigures, chain_figures
from times_dispatch.archive.catalog import Catalog
from times_dispatch.archive.recountable import recountable
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import SENT
from times_dispatch.ledger.statistics.figures import ERROR_STATES, Course, Statistics, statistics_of
from times_dispatch.ledger.statistics.recount import Recount, Recounted
from times_dispatch.ledger.statistics.rollups import RollupFilter, RollupKey, RollupSums, StatisticsReader
from times_dispatch.plurals import counted
from times_dispatch.provider.code_advice import advice_of
from times_dispatch.provider.description.responses import TIMES_MOBILE_RESPONSES
from times_dispatch.settings.values.money import format_rupees
from times_dispatch.status.code_meanings import text_of

_BAR_WIDTH = 20
_GROUPS: dict[str, Callable[[RollupKey], str]] = {
    "day": lambda key: key.day.isoformat(),
    "sender": lambda key: key.sender,
    "provider": lambda key: key.provider,
    "template": lambda key: key.template,
}
_COURSES = ("hour", "minute")
"""The subjects of rows that show the course: only sent, delivered, errors and clicked."""
_FIELDS_OF_ROWS = tuple(state.value for state in {*SENT, *ERROR_STATES})
"""The columns of the table of groups: counters of ``Statistics``."""
_MAX_DIFFERENCES = 20


@click.command()
@click.option("--campaign", shell_complete=completion.campaigns, help="Count only this campaign.")
@click.option("--sender", shell_complete=completion.senders, help="Count only this sender.")
@click.option("--provider", default="", shell_complete=completion.providers, help="Count only this provider.")
@click.option("--template", default="", shell_complete=completion.templates, help="Count only this template.")
@click.option("--day", type=DayType(), help="Count only this day in India: 2026-11-26, today, yesterday.")
@click.option("--since", type=DayType(), help="Count from this day on; 7d is the day a week ago.")
@click.option("--until", type=DayType(), help="Count until this day, which counts too.")
@click.option(
    "--by",
    type=click.Choice([*_GROUPS, *_COURSES]),
    default="day",
    show_default=True,
    help="The subject of each row of the table; minute shows the course of the last 24 hours.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV.")
@click.option(
    "--chain", is_flag=True, help="With --campaign: count the campaign together with its resends, each recipient once."
)
@click.option("--recount", is_flag=True, help="Recount all messages, and compare the result with all counters.")
@click.pass_obj
def stats(
    options: CliContext,
    *,
    campaign: str | None,
    sender: str | None,
    provider: str,
    template: str,
    day: date | None,
    since: date | None,
    until: date | None,
    by: str,
    as_json: bool,
    as_csv: bool,
    chain: bool,
    recount: bool,
) -> None:
    """Show statistics of messages: sent, delivered, errors, clicks, cost, and the time until delivery.

    A message counts on the day of its last push, in India.
    """
    if recount:
        if campaign or sender or provider or template or day or since or until or as_csv or chain:
            raise click.UsageError("--recount counts all messages, and can be combined only with --json")
        _recount(options, as_json=as_json)
        return
    if day and (since or until):
        raise click.UsageError("--day cannot be combined with --since or --until")
    refuse_reversed_days(since, until)
    chosen = RollupFilter(
        senders=[SenderId(sender)] if sender else [],
        provider=provider,
        template=template,
        since=day or since,
        until=day or until,
    )
    _refuse_combinations(campaign, chosen, by, as_json=as_json, as_csv=as_csv, chain=chain)
    if campaign:
        id_ = campaign_meant(options, campaign)
        if chain:
            _print_chain(with_ledger(options, lambda redis: _chain(options, redis, id_)), as_json=as_json)
            return
        statistics = with_ledger(options, lambda redis: _of_campaign(redis, id_))
        groups, average = dict[str, Statistics](), dict[str, float]()
    elif by in _COURSES:
        course = with_ledger(options, lambda redis: _course(redis, chosen, by))
        _print_course(by, course, as_json=as_json, as_csv=as_csv)
        return
    else:
        fields = () if as_json or as_csv else _FIELDS_OF_ROWS

        async def read(redis: Redis) -> RollupSums:
            if sender:
                await note_unknown_sender(redis, sender)
            return await StatisticsReader(redis).sums(chosen, _GROUPS[by], fields=fields)

        sums = with_ledger(options, read)
        statistics = statistics_of(sums.total)
        groups = {name: statistics_of(amounts) for name, amounts in sorted(sums.groups.items())}
        today = DayType().convert("today", None, None)
        dates = groups if by == "day" else ()
        average = daily_average(statistics, dates, since=chosen.since, until=chosen.until, today=today)
    if as_json:
        rows = {name: statistics_as_json(each) for name, each in groups.items()}
        of_groups = {"by": by, "rows": rows, "daily_average": average} if not campaign else {}
        echo(json.dumps({**statistics_as_json(statistics), **of_groups}))
    elif as_csv:
        _print_csv(by, {name: _values(each) for name, each in (groups or {campaign or "": statistics}).items()})
    else:
        _print(options, statistics, by, groups, average)


def _refuse_combinations(
    campaign: str | None, chosen: RollupFilter, by: str, *, as_json: bool, as_csv: bool, chain: bool
) -> None:
    """Refuse options that exclude each other.

    Args:
        campaign: the argument of --campaign; None without it.
        chosen: the messages that the other options choose.
        by: the argument of --by.
        as_json: whether --json was given.
        as_csv: whether --csv was given.
        chain: whether --chain was given.

    Raises:
        UsageError: two of the options exclude each other.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot be combined")
    if chain and (not campaign or as_csv):
        raise click.UsageError("--chain needs --campaign, and can be combined only with --json")
    if campaign and chosen != RollupFilter(senders=[]):
        raise click.UsageError("--campaign cannot be combined with another choice of messages")
    if by == "minute" and (campaign or chosen.provider or chosen.template):
        raise click.UsageError("--by minute counts whole senders: leave out --campaign, --provider and --template")


async def _of_campaign(redis: Redis, campaign: CampaignId) -> Statistics:
    catalog = Catalog(redis)
    return statistics_of(await catalog.statistics(await catalog.campaign(campaign)))


async def _course(redis: Redis, chosen: RollupFilter, by: str) -> dict[str, Course]:
    """Return the course of the chosen messages by the hour or the minute, as a time in India."""
    for sender in chosen.senders:
        await note_unknown_sender(redis, sender)
    reader = StatisticsReader(redis)
    if by == "minute":
        minutes = {_minute(minute): each for minute, each in (await reader.last_minutes(chosen.senders)).items()}
        first, last = (str(day) if day else "" for day in (chosen.since, chosen.until))
        return {at: each for at, each in minutes.items() if first <= at and (not last or at[: len(last)] <= last)}
    days = (await reader.sums(chosen, _GROUPS["day"])).groups
    return {
        f"{day} {hour:02}:00": each
        for day, amounts in sorted(days.items())
        for hour, each in statistics_of(amounts).course.items()
    }


def _print_course(by: str, course: dict[str, Course], *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        echo(json.dumps({"by": by, "rows": msgspec.to_builtins(course)}))
    elif as_csv:
        _print_csv(by, {at: msgspec.to_builtins(each) for at, each in course.items()}, list(Course.__struct_fields__))
    else:
        _print_bars(console(), by, {at: (each.sent, each.delivered, each.errors) for at, each in course.items()})


async def _chain(options: CliContext, redis: Redis, campaign: CampaignId) -> ChainFigures:
    return await chain_figures(catalog_with_keys(options, redis), campaign)


def _print_chain(figures: ChainFigures, *, as_json: bool) -> None:
    if as_json:
        names = {name: getattr(figures, name) for name in ("campaigns", "recipients", "sent", "delivered", "parts")}
        echo(json.dumps({**names, "cost_rupees": str(figures.cost)}))
        return
    echo(
        f"campaigns   {', '.join(figures.campaigns)}",
        f"recipients  {figures.recipients:,}",
        f"sent to     {figures.sent:,}",
        f"delivered   {figures.delivered:,}, {_share(figures.delivered, figures.sent) or 'nothing sent'}",
        f"cost        {format_rupees(figures.cost)}, {counted(figures.parts, 'part')}",
    )


def _recount(options: CliContext, *, as_json: bool) -> None:
    async def run(redis: Redis) -> Recounted:
        catalog = catalog_with_keys(options, redis)
        archived = await recountable(catalog)
        return await Recount(redis).all(archived.campaigns, first_day=archived.first_day)

    result = with_ledger(options, run, is_long=True)
    differences = [
        {"where": each.where, "field": each.field, "counted": each.counted, "recounted": each.recounted}
        for each in result.differences
    ]
    if as_json:
        echo(
            json.dumps(
                {
                    "campaigns": result.campaigns,
                    "messages": result.messages,
                    "moving": result.moving,
                    "differences": differences,
                }
            )
        )
    else:
        echo(f"{counted(result.messages, 'message')} of {counted(result.campaigns, 'campaign')} recounted")
        if result.moving:
            echo(f"campaigns not compared, because their messages changed meanwhile: {', '.join(result.moving)}")
        for each in result.differences[:_MAX_DIFFERENCES]:
            echo(f"{each.where}: {each.field} is counted {each.counted:,}, and the records say {each.recounted:,}")
        what = "the compared counters" if result.moving else "all counters"
        echo(f"{counted(len(differences), 'difference')}" if differences else f"{what} are equal to the recount")
    if differences:
        raise SystemExit(1)


_COLUMNS: dict[str, Callable[[Statistics], Any]] = {
    "sent": lambda each: each.sent,
    "delivered": lambda each: each.delivered,
    "errors": lambda each: each.errors,
    "no_report": lambda each: each.no_report,
    "in_doubt": lambda each: each.in_doubt,
    "clicked": lambda each: each.clicked,
    "clickers": lambda each: each.clickers,
    "replied": lambda each: each.replied,
    "opted_out": lambda each: each.opted_out,
    "parts": lambda each: each.parts,
    "cost_rupees": lambda each: str(each.cost),
    "kept_rupees": lambda each: str(each.money_kept),
    "median_s": lambda each: _rounded(each.delivery_times.percentile_s(50)),
    "p90_s": lambda each: _rounded(each.delivery_times.percentile_s(90)),
    "p99_s": lambda each: _rounded(each.delivery_times.percentile_s(99)),
}


def _rounded(seconds: float | None) -> float | str:
    return "" if seconds is None else round(seconds, 1)


def _print_csv(by: str, rows: dict[str, dict[str, Any]], columns: Sequence[str] = tuple(_COLUMNS)) -> None:
    for name, values in [(by, columns), *((name, row.values()) for name, row in rows.items())]:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow([name, *values])
        echo(line.getvalue())


def _values(statistics: Statistics) -> dict[str, Any]:
    return {name: value(statistics) for name, value in _COLUMNS.items()}


def _print(
    options: CliContext, statistics: Statistics, by: str, groups: dict[str, Statistics], average: dict[str, float]
) -> None:
    """Print statistics for people.

    Args:
        options: the options of the command line.
        statistics: the sums.
        by: the subject of each row.
        groups: the statistics of each row.
        average: the daily average; empty if there is none.
    """
    out = console()
    figures = Table(box=None, pad_edge=False, show_header=False)
    figures.add_column()
    figures.add_column(justify="right")
    figures.add_column()
    for row in _figure_rows(statistics):
        figures.add_row(*row)
    out.print(figures)
    _print_codes(options, out, statistics)
    _print_kept_back(out, statistics)
    if groups:
        _print_bars(out, by, {name: (each.sent, each.delivered, each.errors) for name, each in groups.items()})
        if average:
            figures_a_day = ", ".join(f"{number:,.0f} {name}" for name, number in average.items() if name != "days")
            out.print_line(f"a day on average over {counted(int(average['days']), 'day')}: {figures_a_day}")
    elif statistics.course:
        hours = {_hour(hour): (each.sent, each.delivered, each.errors) for hour, each in statistics.course.items()}
        _print_bars(out, "hour", hours)


def _figure_rows(statistics: Statistics) -> Iterator[tuple[str, str, str]]:
    sent = statistics.sent
    yield "sent", f"{sent:,}", counted(statistics.parts, "part")
    yield "delivered", f"{statistics.delivered:,}", _share(statistics.delivered, sent)
    owners = ", ".join(f"{name} {number:,}" for name, number in statistics.errors_by_owner.items() if number)
    yield "errors", f"{statistics.errors:,}", owners
    yield "no report", f"{statistics.no_report:,}", _share(statistics.no_report, sent)
    yield "in doubt", f"{statistics.in_doubt:,}", ""
    yield "clicked", f"{statistics.clicked:,}", counted(statistics.clickers, "recipient")
    yield "replied", f"{statistics.replied:,}", counted(statistics.opted_out, "opt-out")
    for number, messages in statistics.retried.items():
        recovered = statistics.recovered.get(number, 0)
        yield f"second try {number}", f"{messages:,}", f"{recovered:,} delivered ({100 * recovered / messages:.1f} %)"
    if (percent := statistics.recovered_percent) is not None:
        yield "recovered", f"{sum(statistics.recovered.values()):,}", f"{percent:.1f} % of those tried again"
    without_price = f"{counted(statistics.unpriced_parts, 'part')} had no price" if statistics.unpriced_parts else ""
    yield "cost", format_rupees(statistics.cost), without_price
    yield "money saved", format_rupees(statistics.money_kept), ""
    times = statistics.delivery_times
    if times.messages:
        percentiles = [times.percentile_s(percent) or 0 for percent in (50, 90, 99)]
        median, p90, p99 = (f"{seconds:,.1f} s" for seconds in percentiles)
        yield "delivered within", median, f"median; 90 %: {p90}, 99 %: {p99} (each ± 9.1 %, reports in whole seconds)"


def _share(number: int, whole: int) -> str:
    return f"{100 * number / whole:.1f} % of sent" if whole else ""


def _print_codes(options: CliContext, out: PlainConsole, statistics: Statistics) -> None:
    if not statistics.codes:
        return
    settings = settings_if_valid(options)
    providers = settings.providers.values() if settings else ()
    rules = [provider.response_rules for provider in providers] or [TIMES_MOBILE_RESPONSES]
    table = Table("state", "code", box=None, pad_edge=False)
    for heading in ("messages", "origin"):
        table.add_column(heading, justify="right" if heading == "messages" else "left")
    table.add_column("meaning")
    table.add_column("what to do")
    for code in statistics.codes:
        meaning = text_of(code.name, rules)
        table.add_row(code.state, str(code.code), f"{code.messages:,}", code.owner, meaning, advice_of(code.name))
    out.print(table)


def _print_kept_back(out: PlainConsole, statistics: Statistics) -> None:
    if not statistics.kept_back:
        return
    table = Table("not sent", box=None, pad_edge=False)
    for heading in ("messages", "parts", "would have cost"):
        table.add_column(heading, justify="right")
    for kept in statistics.kept_back:
        table.add_row(kept.reason, f"{kept.messages:,}", f"{kept.parts:,}", format_rupees(kept.cost))
    out.print(table)


def _print_bars(out: PlainConsole, heading: str, rows: dict[str, tuple[int, int, int]]) -> None:
    table = Table(heading, box=None, pad_edge=False)
    for name in ("sent", "delivered", "errors"):
        table.add_column(name, justify="right")
    table.add_column("")
    most = max((sent for sent, _, _ in rows.values()), default=0)
    for name, (sent, delivered, errors) in rows.items():
        bar = "█" * round(_BAR_WIDTH * max(sent, 0) / most) if most > 0 else ""
        table.add_row(name, f"{sent:,}", f"{delivered:,}", f"{errors:,}", bar)
    out.print(table)


def _hour(hour: int) -> str:
    """Return hours since the epoch, counted in India, as a time in India: ``2026-11-27 10:00``."""
    return _minute(60 * hour)


def _minute(minute: int) -> str:
    """Return minutes since the epoch, counted in India, as a time in India: ``2026-11-27 10:05``."""
    return f"{datetime(1970, 1, 1) + timedelta(minutes=minute):%Y-%m-%d %H:%M}"  # noqa: DTZ001  # counted in India
