"""Forecasts the start and the finish of a campaign, from the rate, the hours and the sender's other campaigns."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from producers.campaign.file import Campaign
from producers.campaign.schedule import Times
from producers.preflight.ledger_snapshot import CampaignAhead, SenderSnapshot
from times_dispatch.plurals import counted
from times_dispatch.sms.rules.send_window import INDIA_ZONE, SendWindow

_INDIA = ZoneInfo(INDIA_ZONE)
_ROUNDING = 1e-6
"""Added before a number is rounded down or compared, so that a floating-point error does not lose a message."""


class DailyCap(NamedTuple):
    """The sender's limit from midnight to midnight in India, in the units of the forecast (messages or parts)."""

    limit: float
    used_today: float = 0.0


class FinishEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """When a campaign starts and finishes if it is not paused and the provider can be reached."""

    starts: datetime
    finishes: datetime | None
    """None if the campaign expires before it finishes, or if no rate limits it."""
    expires: datetime
    takes_s: float
    """Seconds of sending, without closed hours; 0 if no rate limits the campaign."""
    unsent: int
    """Messages (or parts) that would expire; 0 if the campaign finishes in time."""
    ahead: int
    """Messages (or parts) of other campaigns that are sent before the campaign's last message."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate, the limits on which it is based, and the reasons why messages would not be sent in time."""

    estimate: FinishEstimate
    rate_per_s: float
    """The sender's rate; 0 is no limit."""
    max_parts_per_day: int
    """The sender's daily limit; 0 is no limit."""
    parts_today: int
    """Parts of the daily limit that are used on the day on which the campaign starts."""
    problems: list[str]
    """The reasons why messages are not sent at all, or not on the first day."""


def forecast(campaign: Campaign, ledger: SenderSnapshot | None, *, rows: int, parts: int, now: datetime) -> Forecast:
    """Forecast a campaign that is submitted now.

    Args:
        campaign: the campaign file.
        ledger: the state of the sender; None if no ledger was asked, so that no message counts as sent yet.
        rows: messages of the campaign.
        parts: SMS parts of the campaign.
        now: the moment of the submit.
    """
    ledger = ledger or SenderSnapshot()
    times, sender, budget = campaign.schedule.at(now), campaign.sender, campaign.budget
    rate_per_s = sender.rate_per_s if ledger.rate_per_s is None else ledger.rate_per_s
    units = parts if sender.cost == "parts" else rows
    parts_per_unit = parts / units if units else 1.0  # the daily limit counts parts, and the rate may count messages
    cap = None
    if budget.max_parts_per_day:
        cap = DailyCap(budget.max_parts_per_day / parts_per_unit, ledger.parts_today / parts_per_unit)
    estimate = finish_estimate(
        units,
        sender_rate_per_s=rate_per_s,
        own_rate_per_s=campaign.table.rate_per_s or 0.0,
        times=times,
        window=campaign.schedule.window,
        others=ledger.others,
        now=now,
        cap=cap,
    )
    parts_today = ledger.parts_today if _day(now) == _day(times.opens) else 0
    return Forecast(
        estimate=estimate,
        rate_per_s=rate_per_s,
        max_parts_per_day=budget.max_parts_per_day,
        parts_today=parts_today,
        problems=[
            *_too_late(estimate, sender.cost.removesuffix("s"), is_capped=cap is not None),
            *budget.problems(parts, used_today=parts_today),
        ],
    )


def finish_estimate(
    units: int,
    *,
    sender_rate_per_s: float,
    own_rate_per_s: float,
    times: Times,
    window: SendWindow,
    others: Sequence[CampaignAhead],
    now: datetime,
    cap: DailyCap | None = None,
) -> FinishEstimate:
    """Estimate when a campaign finishes.

    The sender's campaigns take turns. Before the last unit of this campaign is sent, each other campaign sends as many
    units as this campaign has, or all of its units if it has fewer.

    Args:
        units: messages of the campaign, or parts if the sender's rate counts parts.
        sender_rate_per_s: units per second of all the sender's campaigns together; 0 is no limit.
        own_rate_per_s: units per second of this campaign; 0 is no limit of its own.
        times: start and end of the campaign.
        window: the hours in which the campaign is sent.
        others: the sender's other campaigns that have unsent messages.
        now: the moment of the submit.
        cap: the sender's daily limit; None is no limit.
    """
    left = _left_at_start(others, sender_rate_per_s * max((times.opens - now).total_seconds(), 0.0))
    ahead = sum(min(other_units, units) for other_units in left)
    takes_s = max(
        (units + ahead) / sender_rate_per_s if sender_rate_per_s else 0.0,
        units / own_rate_per_s if own_rate_per_s else 0.0,
    )
    finishes, unsent = None, 0
    if cap:
        starts_today = _day(now) == _day(times.opens)
        day_begins = now if starts_today else _midnight(_day(times.opens))
        sent_before = min(
            sender_rate_per_s * max((times.opens - day_begins).total_seconds(), 0.0),
            sum(other.units for other in others),
        )
        used = sent_before + (cap.used_today if starts_today else 0.0)
        finishes, share = _finish_day_by_day(units + ahead, takes_s, times, window, cap._replace(used_today=used))
        unsent = units - math.floor(units * share + _ROUNDING)
    elif takes_s:
        finishes = window.finish(times.opens, takes_s, limit=times.ends)
        if finishes is None:
            open_s = window.open_s(times.opens, times.ends)
            unsent = units - math.floor(units * open_s / takes_s + _ROUNDING)
    return FinishEstimate(
        starts=times.opens,
        finishes=finishes,
        expires=times.ends,
        takes_s=takes_s,
        unsent=unsent,
        ahead=ahead if sender_rate_per_s or cap else 0,
    )


def _left_at_start(others: Sequence[CampaignAhead], sent: float) -> list[int]:
    """Return the units left of each other campaign after these campaigns together have sent *sent* units, in turn."""
    total = sum(other.units for other in others)
    share = max(0.0, 1 - sent / total) if total else 0.0
    return [math.ceil(other.units * share) for other in others]


def _finish_day_by_day(
    units: int, takes_s: float, times: Times, window: SendWindow, cap: DailyCap
) -> tuple[datetime | None, float]:
    """Estimate the finish if units are sent day after day, each day at most up to the daily limit.

    Args:
        units: the units of the campaign, and the units of other campaigns that are sent before its last unit.
        takes_s: seconds of sending; 0 if no rate limits the campaign, so that each day's units are sent at once.
        times: start and end of the campaign.
        window: the hours in which the campaign is sent.
        cap: the daily limit, and the part of the limit that is used on the first day.

    Returns:
        The time when all units are sent, and the share of the units that is sent in time, from 0 to 1. The time is None
        if not all units are sent, or if no rate limits them and all are sent on the first day.
    """
    moment, left, today = times.opens, float(units), max(0.0, cap.limit - cap.used_today)
    while moment < times.ends:
        midnight = _midnight(_day(moment) + timedelta(days=1))
        until = min(midnight, times.ends)
        open_s = window.open_s(moment, until)
        if takes_s:
            today = min(today, units * open_s / takes_s)
        elif not open_s:
            today = 0.0
        if left <= today + _ROUNDING:
            if not takes_s and moment == times.opens:
                return None, 1.0
            return window.finish(moment, takes_s * left / units, limit=until) or until, 1.0
        left -= today
        moment, today = midnight, cap.limit
    return None, 1 - left / units if units else 1.0


def _day(moment: datetime) -> date:
    return moment.astimezone(_INDIA).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), _INDIA).astimezone(UTC)


def _too_late(estimate: FinishEstimate, unit: str, *, is_capped: bool) -> Iterator[str]:
    if estimate.unsent:
        remedy = "raise the rate or the cap of the day" if is_capped else "raise the rate"
        late = f"the campaign does not finish in time: about {counted(estimate.unsent, unit)} would expire"
        yield f"{late}; start earlier, end later, or {remedy}"
