"""The pages of senders and providers: figures by day, rates, and what stops a sender."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from console.access import page
from console.charts.columns import ChartColumn, column_chart
from console.charts.course import course_column
from console.charts.lines import spark_line
from console.figures.code_words import CodeBook
from console.formats import INDIA, Formats
from console.pages.campaign import detail_of
from console.visit import Visit
from console.words import sender_state
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.campaigns.live_campaigns import LiveCampaign, LiveCampaigns
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.model import CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import SENT
from times_dispatch.ledger.statistics.figures import Amounts, Course, Statistics, statistics_of, total
from times_dispatch.ledger.statistics.rollups import RollupFilter, RollupKey, StatisticsReader
from times_dispatch.ledger.trail import Trail

SPANS_OF_ALL: Final = (1, 7, 30, 90)
"""The maximum of days on the page of all senders: more days would take long with many senders."""
SPANS: Final = (*SPANS_OF_ALL, 365)
_DEFAULT_DAYS: Final = 7
_MAX_TRAIL: Final = 20
_MAX_LIVE: Final = 20
"""The maximum of live campaigns that the page of a sender lists; a link leads to the others."""

Rollups = Sequence[tuple[RollupKey, Amounts]]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one row: of a sender, a provider, a template or a day."""

    name: str
    statistics: Statistics
    sent_by_day: Sequence[int] = ()


async def show_senders(visit: Visit) -> Response:
    """Show all senders and providers with their figures over some days."""
    days, since, until = _span(visit, SPANS_OF_ALL)
    rollups = await _rollups(visit, RollupFilter(since=since, until=until))
    queries = Queries(visit.redis)
    names = sorted({*await queries.senders(), *map(SenderId, visit.settings.senders)})
    by_sender = groups(rollups, lambda key: key.sender, since, until)
    views = await asyncio.gather(*map(queries.sender, names))
    providers = [group for _, group in sorted(groups(rollups, lambda key: key.provider, since, until).items())]
    none = statistics_of({})
    rows = [
        (name, view, by_sender.get(name) or Group(name=name, statistics=none))
        for name, view in zip(names, views, strict=True)
    ]
    return visit.page(
        "senders.html",
        days=days,
        spans=SPANS_OF_ALL,
        since=since,
        until=until,
        rows=[(name, view, sender_state(view), group, _spark(group, visit.formats)) for name, view, group in rows],
        providers=[(group, _spark(group, visit.formats)) for group in providers],
        by_day=sent_by_day(providers, since),
        sums=statistics_of(total(amounts for _, amounts in rollups)),
    )


async def show_sender(visit: Visit) -> Response:
    """Show one sender over some days: its course, its templates and providers, its errors, and who changed what."""
    name = SenderId(visit.request.path_params["sender"])
    queries = Queries(visit.redis)
    is_in_ledger = name in await queries.senders()
    if not is_in_ledger and name not in visit.settings.senders:
        raise HTTPException(404)
    days, since, until = _span(visit, SPANS)
    rollups = await _rollups(visit, RollupFilter(senders=[name], since=since, until=until))
    by_day = groups(rollups, lambda key: key.day.isoformat(), since, until)
    statistics = statistics_of(total(amounts for _, amounts in rollups))
    view, f = await queries.sender(name), visit.formats
    live, shown, damaged = await _live(visit, name)
    all_days = [(since + timedelta(days=number)).isoformat() for number in range((until - since).days + 1)]
    return visit.page(
        "sender.html",
        name=name,
        view=view,
        state=sender_state(view),
        days=days,
        spans=SPANS,
        since=since,
        until=until,
        statistics=statistics,
        live=len(live),
        shown=shown,
        damaged=damaged,
        course=column_chart(
            [_day_column(day, by_day.get(day), name, f.day(day)) for day in all_days], f, label="Sent by day"
        ),
        by_day=[(day, by_day[day].statistics) for day in reversed(all_days) if day in by_day],
        providers=[group for _, group in sorted(groups(rollups, lambda key: key.provider, since, until).items())],
        templates=[group for _, group in sorted(groups(rollups, lambda key: key.template, since, until).items())],
        codes=CodeBook(visit.settings).words(statistics.codes),
        trail=[(entry, detail_of(entry)) for entry in await Trail(visit.redis).newest([name], limit=_MAX_TRAIL)],
        configured=_configured(visit, view),
        actions=_actions(view) if is_in_ledger and visit.may(ConsoleRole.OPERATOR) else [],
    )


async def _live(visit: Visit, sender: SenderId) -> tuple[list[LiveCampaign], list[CampaignView], list[CampaignDamaged]]:
    """Return the live campaigns of a sender, whole views of the newest of them, and those that cannot be read."""
    damaged = list[CampaignDamaged]()
    live = await LiveCampaigns(visit.redis).of_sender(sender, damaged=damaged)
    newest = [(each.id, header_of(each.plan.sender)) for each in live[:_MAX_LIVE]]
    shown = await Queries(visit.redis).some(newest, damaged=damaged)
    known = {damage.campaign: damage for damage in damaged}
    return live, shown, [known[campaign] for campaign in sorted(known)]


def groups(rollups: Rollups, name_of: Callable[[RollupKey], str], since: date, until: date) -> Mapping[str, Group]:
    """Return the sums of rollups by a name.

    Args:
        rollups: the rollups.
        name_of: returns the name to which a rollup counts.
        since: the first day of the course.
        until: the last day of the course.
    """
    several, sent = dict[str, list[Amounts]](), dict[str, list[int]]()
    length = (until - since).days + 1
    for key, amounts in rollups:
        name = name_of(key)
        several.setdefault(name, []).append(amounts)
        by_day = sent.setdefault(name, [0] * length)
        by_day[(key.day - since).days] += sum(amounts.get(state.value, 0) for state in SENT)
    return {
        name: Group(name=name, statistics=statistics_of(total(each)), sent_by_day=sent[name])
        for name, each in several.items()
    }


def _span(visit: Visit, spans: Sequence[int]) -> tuple[int, date, date]:
    """Return the number of days that are shown, the first day and the last day."""
    days = int(visit.choice("days", [str(span) for span in spans]) or _DEFAULT_DAYS)
    today = datetime.fromtimestamp(visit.resources.clock.time(), INDIA).date()
    return days, today - timedelta(days=days - 1), today


async def _rollups(visit: Visit, chosen: RollupFilter) -> Rollups:
    return [rollup async for rollup in StatisticsReader(visit.redis).rollups(chosen)]


def _spark(group: Group, f: Formats) -> object:
    return spark_line(group.sent_by_day, f, label=f"{group.name}: sent by day")


def sent_by_day(shown: Sequence[Group], since: date) -> list[tuple[str, list[int]]]:
    """Return the days on which any group sent, the newest first, each with the number of messages of each group."""
    days = zip(*(group.sent_by_day for group in shown), strict=True)
    rows = [((since + timedelta(days=index)).isoformat(), list(numbers)) for index, numbers in enumerate(days)]
    return [row for row in reversed(rows) if any(row[1])]


def _day_column(day: str, group: Group | None, sender: SenderId, label: str) -> ChartColumn:
    figures = group.statistics if group else statistics_of({})
    course = Course(sent=figures.sent, delivered=figures.delivered, errors=figures.errors, clicked=figures.clicked)
    return course_column(label, course, f"/campaigns?sender={sender}&sent_since={day}&sent_until={day}")


def _configured(visit: Visit, view: SenderView) -> float | None:
    """Return the rate of the settings; None for a sender that the settings do not have."""
    settings = visit.settings.senders.get(view.id)
    return settings.rate_per_s if settings else None


def _actions(view: SenderView) -> list[tuple[str, str]]:
    actions = [("pause", "Pause")] if not view.paused else []
    if view.paused or view.unavailable:
        actions.append(("resume", "Resume"))
    return [*actions, ("rate", "Change rate")]


ROUTES = (page("/senders", show_senders), page("/senders/{sender}", show_sender))
