"""When a campaign would start and finish, at its sender's rate, in its hours, beside the sender's other campaigns."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from producers.campaign.file import Campaign
from producers.campaign.schedule import Times
from producers.preflight.ledger_snapshot import CampaignAhead, SenderSnapshot
from times_dispatch.sms.rules.window import INDIA_ZONE, Window

_INDIA = ZoneInfo(INDIA_ZONE)


class DailyCap(NamedTuple):
    """What the sender may send from midnight to midnight in India, and has sent today; in the outlook's units."""

    most: float
    today: float = 0.0


class FinishEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast: all campaigns go on in turn, nobody pauses any, and the provider is there."""

    starts: datetime
    finishes: datetime | None
    """None if it does not finish before it expires, or nothing limits its rate."""
    expires: datetime
    takes_s: float
    """Seconds of sending; 0 if nothing limits its rate."""
    unsent: int
    """Messages (or parts) that would expire; 0 if it finishes in time."""
    ahead: int
    """Messages (or parts) of other campaigns that go out before its last."""


def finish_estimate(
    units: int,
    *,
    sender_rate: float,
    own_rate: float,
    times: Times,
    window: Window,
    others: Sequence[CampaignAhead],
    now: datetime,
    cap: DailyCap | None = None,
) -> FinishEstimate:
    """Forecast so many messages or parts; a rate of 0 is no limit.

    The sender's campaigns take turns, so of each other one as much goes before our last message as we have ourselves,
    or all of it if that is less.
    """
    left = _left(others, sender_rate * max((times.opens - now).total_seconds(), 0.0))
    ahead = sum(min(theirs, units) for theirs in left)
    takes_s = max((units + ahead) / sender_rate if sender_rate else 0.0, units / own_rate if own_rate else 0.0)
    finishes, unsent = None, 0
    if cap:
        starts_today = _day(now) == _day(times.opens)
        since = now if starts_today else _midnight(_day(times.opens))
        meanwhile = min(sender_rate * max((times.opens - since).total_seconds(), 0.0), sum(it.units for it in others))
        used = meanwhile + (cap.today if starts_today else 0.0)
        finishes, share = _by_day(units + ahead, takes_s, times, window, cap._replace(today=used))
        unsent = units - math.floor(units * share + 1e-6)
    elif takes_s:
        finishes = window.finish(times.opens, takes_s, limit=times.ends)
        if finishes is None:
            open_s = window.open_s(times.opens, times.ends)
            # A hair more than the quotient, so that a rounding error is no message.
            unsent = units - math.floor(units * open_s / takes_s + 1e-6)
    return FinishEstimate(
        starts=times.opens,
        finishes=finishes,
        expires=times.ends,
        takes_s=takes_s,
        unsent=unsent,
        ahead=ahead if sender_rate or cap else 0,
    )


def _by_day(work: int, takes_s: float, times: Times, window: Window, cap: DailyCap) -> tuple[datetime | None, float]:
    """Return when so much is sent, day after day up to the cap, or None and the share of it that is sent in time.

    Without a rate a day's part is sent at once; within the first day nobody knows when it is.
    """
    moment, left, may = times.opens, float(work), max(0.0, cap.most - cap.today)
    while moment < times.ends:
        midnight = _midnight(_day(moment) + timedelta(days=1))
        until = min(midnight, times.ends)
        open_s = window.open_s(moment, until)
        if takes_s:
            may = min(may, work * open_s / takes_s)
        elif not open_s:
            may = 0.0
        if left <= may + 1e-6:
            if not takes_s and moment == times.opens:
                return None, 1.0
            return window.finish(moment, takes_s * left / work, limit=until) or until, 1.0
        left -= may
        moment, may = midnight, cap.most
    return None, 1 - left / work if work else 1.0


def _day(moment: datetime) -> date:
    return moment.astimezone(_INDIA).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), _INDIA).astimezone(UTC)


def _left(others: Sequence[CampaignAhead], sent: float) -> list[int]:
    """Return what others have left once so much of it is sent, all of them in turn."""
    whole = sum(other.units for other in others)
    share = max(0.0, 1 - sent / whole) if whole else 0.0
    return [math.ceil(other.units * share) for other in others]


_INDIA = ZoneInfo(INDIA_ZONE)


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """The outlook, and what it rests on."""

    estimate: FinishEstimate
    rate_per_s: float
    """The sender's; 0 is no limit."""
    most_parts_per_day: int
    """The sender's; 0 is no limit."""
    parts_today: int
    """Used of that on the day on which the campaign starts."""
    problems: list[str]
    """What keeps messages from being sent, or from being sent on the first day."""


def forecast(campaign: Campaign, ledger: SenderSnapshot | None, *, rows: int, parts: int, now: datetime) -> Forecast:
    """Forecast a campaign of so many messages and parts; without a ledger its sender has sent nothing yet."""
    ledger = ledger or SenderSnapshot()
    times, sender, budget = campaign.schedule.at(now), campaign.sender, campaign.budget
    rate = sender.rate_per_s if ledger.rate_per_s is None else ledger.rate_per_s
    units = parts if sender.cost == "parts" else rows
    # The cap counts parts, and so much of it is a unit of the rate.
    size = parts / units if units else 1.0
    ahead = finish_estimate(
        units,
        sender_rate=rate,
        own_rate=campaign.table.rate_per_s or 0.0,
        times=times,
        window=campaign.schedule.window,
        others=ledger.others,
        now=now,
        cap=DailyCap(budget.per_day / size, ledger.parts_today / size) if budget.per_day else None,
    )
    today = ledger.parts_today if now.astimezone(_INDIA).date() == times.opens.astimezone(_INDIA).date() else 0
    return Forecast(
        estimate=ahead,
        rate_per_s=rate,
        most_parts_per_day=budget.per_day,
        parts_today=today,
        problems=[*_late(ahead, sender.cost, capped=bool(budget.per_day)), *budget.problems(parts, today=today)],
    )


def _late(ahead: FinishEstimate, unit: str, *, capped: bool) -> Iterator[str]:
    if ahead.unsent:
        what = "raise the rate or the cap of the day" if capped else "raise the rate"
        late = f"it does not finish in time: about {ahead.unsent:,} {unit} would expire"
        yield f"{late}; start earlier, end later, or {what}"
