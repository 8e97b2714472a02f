from datetime import UTC, datetime, timedelta

import pytest

from producers.campaign.schedule import Times
from producers.preflight.forecast import DailyCap, FinishEstimate, finish_estimate
from producers.preflight.ledger_snapshot import CampaignAhead
from times_dispatch.sms.rules.send_window import SendWindow

NOW = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
"""Noon in Kolkata."""


def forecast(
    units: int,
    *,
    rate: float = 10,
    own: float = 0,
    others: tuple[int, ...] = (),
    window: SendWindow = SendWindow(),  # noqa: B008  # immutable
    opens: datetime = NOW,
    valid: timedelta = timedelta(hours=24),
    cap: DailyCap | None = None,
) -> FinishEstimate:
    return finish_estimate(
        units,
        sender_rate_per_s=rate,
        own_rate_per_s=own,
        times=Times(None, opens, opens + valid),
        window=window,
        others=[CampaignAhead(f"c{n}", "other", units) for n, units in enumerate(others)],
        now=NOW,
        cap=cap,
    )


def test_the_senders_rate_decides_how_long_sending_takes() -> None:
    estimate = forecast(36_000)

    assert (estimate.starts, estimate.finishes, estimate.unsent, estimate.ahead) == (
        NOW,
        NOW + timedelta(hours=1),
        0,
        0,
    )


def test_the_lower_of_two_rates_counts() -> None:
    assert forecast(3_600, own=1).finishes == NOW + timedelta(hours=1)
    assert forecast(3_600, rate=1, own=10).finishes == NOW + timedelta(hours=1)
    assert forecast(3_600, rate=0, own=1).finishes == NOW + timedelta(hours=1)


def test_without_a_rate_there_is_no_finish_time() -> None:
    estimate = forecast(1_000_000, rate=0)

    assert (estimate.finishes, estimate.takes_s, estimate.unsent) == (None, 0, 0)


def test_each_other_campaign_sends_at_most_as_many_units_before_our_last() -> None:
    estimate = forecast(1_000, others=(10_000, 200))

    assert estimate.ahead == 1_200
    assert estimate.finishes == NOW + timedelta(seconds=220)


def test_units_that_others_send_before_our_start_do_not_delay_us() -> None:
    estimate = forecast(1_000, others=(30_000, 10_000), opens=NOW + timedelta(seconds=3_600))

    assert estimate.ahead == 1_000 + 1_000
    assert forecast(1_000, others=(3_000,), opens=NOW + timedelta(seconds=3_600)).ahead == 0


def test_sending_goes_on_in_the_send_window_of_the_next_day() -> None:
    window = SendWindow.parse("10:00-21:00")

    estimate = forecast(10 * 9 * 3600 + 10, window=window)

    assert estimate.finishes == datetime(2026, 11, 9, 4, 30, 1, tzinfo=UTC)


@pytest.mark.parametrize(("units", "unsent"), [(36_000, 0), (36_001, 1), (72_000, 36_000)])
def test_messages_beyond_the_validity_would_expire(units: int, unsent: int) -> None:
    estimate = forecast(units, valid=timedelta(hours=1))

    assert estimate.unsent == unsent
    assert (estimate.finishes is None) is bool(unsent)


MIDNIGHT = NOW + timedelta(hours=12)


@pytest.mark.parametrize(
    ("units", "today", "finishes"),
    [
        (1_000, 0, NOW + timedelta(seconds=100)),
        (1_001, 0, MIDNIGHT + timedelta(seconds=0.1)),
        (100, 900, NOW + timedelta(seconds=10)),
        (101, 900, MIDNIGHT + timedelta(seconds=0.1)),
        (500, 1_200, MIDNIGHT + timedelta(seconds=50)),
        (2_001, 0, MIDNIGHT + timedelta(days=1, seconds=0.1)),
    ],
)
def test_messages_beyond_the_daily_limit_wait_for_midnight_in_india(units: int, today: int, finishes: datetime) -> None:
    estimate = forecast(units, cap=DailyCap(1_000, today), valid=timedelta(days=3))

    assert estimate.finishes is not None
    assert (abs(estimate.finishes - finishes) < timedelta(milliseconds=1), estimate.unsent) == (True, 0)


@pytest.mark.parametrize(("units", "unsent"), [(2_000, 0), (2_001, 1), (5_000, 3_000)])
@pytest.mark.parametrize("rate", [10, 0])
def test_messages_beyond_the_limits_of_all_days_would_expire(units: int, unsent: int, rate: float) -> None:
    estimate = forecast(units, rate=rate, cap=DailyCap(1_000))

    assert estimate.unsent == unsent
    assert unsent == 0 or estimate.finishes is None


def test_without_a_rate_waiting_messages_are_sent_when_the_next_day_opens() -> None:
    window = SendWindow.parse("10:00-21:00")

    assert forecast(500, rate=0, cap=DailyCap(1_000)).finishes is None
    assert forecast(500, rate=0, cap=DailyCap(1_000, 900)).finishes == MIDNIGHT
    assert forecast(500, rate=0, cap=DailyCap(1_000, 900), window=window).finishes == MIDNIGHT + timedelta(hours=10)


def test_other_campaigns_use_the_daily_limit_too() -> None:
    assert forecast(600, others=(600,), cap=DailyCap(1_000)).finishes == MIDNIGHT + timedelta(seconds=20)
    later = NOW + timedelta(hours=1)
    assert forecast(600, others=(600,), opens=later, cap=DailyCap(1_000)).finishes == MIDNIGHT + timedelta(seconds=20)


def test_parts_of_today_do_not_count_tomorrow() -> None:
    estimate = forecast(1_000, opens=MIDNIGHT, cap=DailyCap(1_000, 1_000))

    assert estimate.finishes == MIDNIGHT + timedelta(seconds=100)
