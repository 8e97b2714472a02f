"""What becomes of so many good rows: when they are sent, what would expire, and which caps they go beyond."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from producers.campaign.file import Campaign
from producers.preflight.forecast import DailyCap, Outlook, outlook
from producers.preflight.ledger_snapshot import LedgerLook
from times_dispatch.sms.rules.window import HOME

_INDIA = ZoneInfo(HOME)


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """The outlook, and what it rests on."""

    outlook: Outlook
    rate_per_s: float
    """The sender's; 0 is no limit."""
    most_parts_per_day: int
    """The sender's; 0 is no limit."""
    parts_today: int
    """Used of that on the day on which the campaign starts."""
    problems: list[str]
    """What keeps messages from being sent, or from being sent on the first day."""


def forecast(campaign: Campaign, ledger: LedgerLook | None, *, rows: int, parts: int, now: datetime) -> Forecast:
    """Forecast a campaign of so many messages and parts; without a ledger its sender has sent nothing yet."""
    ledger = ledger or LedgerLook()
    times, sender, budget = campaign.schedule.at(now), campaign.sender, campaign.budget
    rate = sender.rate_per_s if ledger.rate_per_s is None else ledger.rate_per_s
    units = parts if sender.cost == "parts" else rows
    # The cap counts parts, and so much of it is a unit of the rate.
    size = parts / units if units else 1.0
    ahead = outlook(
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
        outlook=ahead,
        rate_per_s=rate,
        most_parts_per_day=budget.per_day,
        parts_today=today,
        problems=[*_late(ahead, sender.cost, capped=bool(budget.per_day)), *budget.problems(parts, today=today)],
    )


def _late(ahead: Outlook, unit: str, *, capped: bool) -> Iterator[str]:
    if ahead.unsent:
        what = "raise the rate or the cap of the day" if capped else "raise the rate"
        late = f"it does not finish in time: about {ahead.unsent:,} {unit} would expire"
        yield f"{late}; start earlier, end later, or {what}"
