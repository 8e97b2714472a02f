"""Statistics as JSON, the same in ``dispatch stats --json`` and ``dispatch show --json``."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec

from times_dispatch.ledger.statistics.delivery_times import MAX_ERROR, bounds_s
from times_dispatch.ledger.statistics.figures import Statistics

_AVERAGED: Final = ("sent", "delivered", "clicked", "errors")


def daily_average(
    statistics: Statistics, days: Iterable[str], *, since: date | None, until: date | None, today: date
) -> dict[str, float]:
    """Return the number of days of the chosen time, and each figure divided by it; empty without a message.

    A day without messages counts too.

    Args:
        statistics: the sums over the chosen time.
        days: the days that have messages, as ``2026-11-26``.
        since: the first day of the chosen time; None: the first day that has messages.
        until: the last day of the chosen time; None: today if a first day was chosen, else the last day that has
            messages.
        today: today in India; later days do not count.
    """
    with_messages = [date.fromisoformat(day) for day in days]
    if not with_messages:
        return {}
    first = since or min(with_messages)
    last = max(*with_messages, min(until or today, today)) if since or until else max(with_messages)
    number = (last - first).days + 1
    return {"days": number, **{name: round(getattr(statistics, name) / number, 2) for name in _AVERAGED}}


def statistics_as_json(statistics: Statistics) -> dict[str, Any]:
    """Return statistics as one object; amounts of money are texts in rupees, and shares are percentages."""
    times = statistics.delivery_times
    return {
        "sent": statistics.sent,
        "delivered": statistics.delivered,
        "errors": statistics.errors,
        "errors_by_owner": statistics.errors_by_owner,
        "states": statistics.states,
        "codes": [
            {"state": code.state, "code": code.code, "messages": code.messages, "owner": code.owner.value}
            for code in statistics.codes
        ],
        "no_report": statistics.no_report,
        "in_doubt": statistics.in_doubt,
        "clicked": statistics.clicked,
        "clickers": statistics.clickers,
        "replied": statistics.replied,
        "opted_out": statistics.opted_out,
        "links": statistics.links,
        "retried": statistics.retried,
        "recovered": statistics.recovered,
        "recovered_percent": statistics.recovered_percent,
        "delivery_rate_percent": statistics.delivery_rate_percent,
        "click_rate_percent": statistics.click_rate_percent,
        "parts": statistics.parts,
        "cost_rupees": str(statistics.cost),
        "unpriced_parts": statistics.unpriced_parts,
        "kept_back": [
            {"reason": kept.reason, "messages": kept.messages, "parts": kept.parts, "cost_rupees": str(kept.cost)}
            for kept in statistics.kept_back
        ],
        "money_kept_rupees": str(statistics.money_kept),
        "delivery_times": {
            "median_s": times.percentile_s(50),
            "p90_s": times.percentile_s(90),
            "p99_s": times.percentile_s(99),
            "error_percent": round(100 * MAX_ERROR, 1),
            "histogram": [
                {"from_s": bounds_s(bucket)[0], "to_s": bounds_s(bucket)[1], "messages": messages}
                for bucket, messages in sorted(times.counts.items())
            ],
        },
        "course": {str(hour): msgspec.to_builtins(each) for hour, each in statistics.course.items()},
    }
