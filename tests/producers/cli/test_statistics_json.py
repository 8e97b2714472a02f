from datetime import date

import pytest

from producers.cli.statistics_json import daily_average
from times_dispatch.ledger.statistics.figures import statistics_of

TODAY = date(2026, 11, 28)
DAYS = ["2026-11-20", "2026-11-22"]
STATISTICS = statistics_of({"d": 30, "f": 3, "clicked": 9})


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (None, None, 3),
        (date(2026, 11, 19), None, 10),
        (date(2026, 11, 19), date(2026, 11, 23), 5),
        (date(2026, 11, 19), date(2026, 12, 31), 10),
        (None, date(2026, 11, 24), 5),
        (date(2026, 11, 22), date(2026, 11, 22), 1),
    ],
)
def test_a_daily_average_counts_all_days_of_the_chosen_time(since: date | None, until: date | None, days: int) -> None:
    chosen = [day for day in DAYS if since is None or day >= since.isoformat()]
    average = daily_average(STATISTICS, chosen, since=since, until=until, today=TODAY)
    assert average == {
        "days": days,
        "sent": round(STATISTICS.sent / days, 2),
        "delivered": round(30 / days, 2),
        "clicked": round(9 / days, 2),
        "errors": round(STATISTICS.errors / days, 2),
    }


def test_without_a_message_there_is_no_daily_average() -> None:
    assert daily_average(STATISTICS, [], since=TODAY, until=TODAY, today=TODAY) == {}
