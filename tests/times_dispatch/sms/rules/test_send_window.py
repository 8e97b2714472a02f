from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.sms.rules.send_window import SendWindow, SendWindowInvalid

IST = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")
PROMOTIONAL = SendWindow.parse("10:00-21:00")


def ist(clock: str, day: int = 8) -> datetime:
    """Return a moment of November 2026 in Kolkata."""
    return datetime.fromisoformat(f"2026-11-{day:02}T{clock}").replace(tzinfo=IST)


@pytest.mark.usefixtures("machine_zone")
@pytest.mark.parametrize(
    ("clock", "is_open", "opens"),
    [
        ("09:59:59", False, ist("10:00:00")),
        ("10:00:00", True, ist("10:00:00")),
        ("20:59:59", True, ist("20:59:59")),
        ("20:59:59.999999", True, ist("20:59:59.999999")),
        ("21:00:00", False, ist("10:00:00", 9)),
        ("23:59:59", False, ist("10:00:00", 9)),
        ("00:00:00", False, ist("10:00:00")),
    ],
)
def test_a_window_is_open_from_its_start_until_just_before_its_end(clock: str, is_open: bool, opens: datetime) -> None:
    moment = ist(clock)

    for same in (
        moment,
        moment.astimezone(UTC),
        moment.astimezone(NEW_YORK),
        moment.astimezone(timezone(timedelta(0))),
    ):
        assert PROMOTIONAL.is_open(same) is is_open
        assert PROMOTIONAL.next_opening(same) == opens


@pytest.mark.usefixtures("machine_zone")
def test_a_window_closes_on_the_day_of_its_own_zone() -> None:
    assert PROMOTIONAL.next_closing(ist("10:00:00").astimezone(NEW_YORK)) == ist("21:00:00")
    assert SendWindow.parse("10:00-24:00").next_closing(ist("23:59:59")) == ist("00:00:00", 9)


@pytest.mark.parametrize("text", ["10:00-21:00", " 10:00 - 21:00 ", "10:00–21:00"])
def test_a_window_is_read_as_people_write_it(text: str) -> None:
    assert SendWindow.parse(text) == SendWindow(600, 1260, "Asia/Kolkata")
    assert str(SendWindow.parse(text)) == "10:00-21:00 Asia/Kolkata"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be two times as in 10:00-21:00, is ''"),
        ("10-21", "must be two times as in 10:00-21:00, is '10-21'"),
        ("10:00-24:01", "must be two times as in 10:00-21:00, is '10:00-24:01'"),
        ("25:00-26:00", "must be two times as in 10:00-21:00, is '25:00-26:00'"),
        ("21:00-10:00", "must end after it begins, on the same day, is '21:00-10:00'"),
        ("10:00-10:00", "must end after it begins, on the same day, is '10:00-10:00'"),
    ],
)
def test_a_text_that_is_not_a_window_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(SendWindowInvalid, match="^" + reason.replace("'", ".") + "$"):
        SendWindow.parse(text)


@pytest.mark.parametrize("zone", ["Asia/Bombay", "", "../etc/passwd", "IST5"])
def test_a_zone_must_exist(zone: str) -> None:
    with pytest.raises(SendWindowInvalid, match="there is no zone"):
        SendWindow.parse("10:00-21:00", zone)


def test_a_window_of_all_day_is_always_open() -> None:
    always = SendWindow.parse("00:00-24:00")

    assert always.is_always_open
    assert always == SendWindow()
    assert always.next_opening(ist("03:00:00")) == ist("03:00:00")
    assert always.open_s(ist("03:00:00"), ist("03:00:00", 10)) == 2 * 86_400


def test_only_open_seconds_count() -> None:
    assert PROMOTIONAL.open_s(ist("20:59:00"), ist("10:01:00", 9)) == 120
    assert PROMOTIONAL.open_s(ist("21:00:00"), ist("10:00:00", 9)) == 0
    assert PROMOTIONAL.open_s(ist("00:00:00"), ist("00:00:00", 11)) == 3 * 11 * 3600
    assert PROMOTIONAL.open_s(ist("12:00:00"), ist("11:00:00")) == 0


def test_sending_continues_at_the_next_opening() -> None:
    limit = ist("00:00:00", 20)

    assert PROMOTIONAL.finish(ist("20:00:00"), 3600, limit=limit) == ist("21:00:00")
    assert PROMOTIONAL.finish(ist("20:00:00"), 3601, limit=limit) == ist("10:00:01", 9)
    assert PROMOTIONAL.finish(ist("22:00:00"), 12 * 3600, limit=limit) == ist("11:00:00", 10)
    assert PROMOTIONAL.finish(ist("20:00:00"), 3601, limit=ist("10:00:00", 9)) is None
    assert SendWindow().finish(ist("20:00:00"), 7200, limit=ist("22:00:00")) == ist("22:00:00")
    assert SendWindow().finish(ist("20:00:00"), 7201, limit=ist("22:00:00")) is None


def test_a_window_may_lie_within_another_of_its_own_zone_or_of_another() -> None:
    start, end = ist("00:00:00"), ist("00:00:00", 12)

    assert SendWindow.parse("11:00-20:00").is_within(PROMOTIONAL, start, end)
    assert PROMOTIONAL.is_within(PROMOTIONAL, start, end)
    assert not SendWindow.parse("09:59-20:00").is_within(PROMOTIONAL, start, end)
    assert not SendWindow.parse("11:00-21:01").is_within(PROMOTIONAL, start, end)
    assert SendWindow.parse("04:30-15:30", "UTC").is_within(PROMOTIONAL, start, end)
    assert not SendWindow.parse("04:29-15:30", "UTC").is_within(PROMOTIONAL, start, end)
    assert SendWindow.parse("09:00-22:00").is_within(SendWindow(), start, end)


def test_a_window_elsewhere_may_fit_in_one_season_and_not_in_another() -> None:
    morning = SendWindow.parse("01:00-11:00", "America/New_York")
    summer, winter = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)

    assert morning.is_within(PROMOTIONAL, summer, summer + timedelta(days=3))
    assert not morning.is_within(PROMOTIONAL, winter, winter + timedelta(days=3))


@pytest.mark.parametrize("day", [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)])
@given(st.integers(0, 23 * 60), st.integers(1, 24 * 60), st.integers(0, 47))
def test_a_window_opens_and_closes_on_days_when_clocks_are_set(
    day: datetime, start: int, length: int, hour: int
) -> None:
    window = SendWindow(start, min(start + length, 24 * 60), "America/New_York")
    moment = day + timedelta(hours=hour)

    opens = window.next_opening(moment)
    closes = window.next_closing(opens)

    assert moment <= opens < moment + timedelta(hours=50)  # a window in a skipped hour opens a day later
    assert window.is_open(opens)
    assert opens < closes <= opens + timedelta(hours=25)
    assert 0 <= window.open_s(moment, moment + timedelta(days=3)) <= 3 * 86_400


@given(st.integers(0, 1439), st.integers(1, 1440), st.integers(0, 10**6), st.floats(0, 10**5))
def test_the_window_was_open_for_the_given_seconds_at_the_finish(
    start: int, length: int, offset_s: int, seconds: float
) -> None:
    window = SendWindow(start, min(start + length, 1440))
    moment = ist("00:00:00", 1) + timedelta(seconds=offset_s)

    finish = window.finish(moment, seconds, limit=moment + timedelta(days=10_000))

    assert finish is None or abs(window.open_s(moment, finish) - seconds) < 1e-3
    assert finish is not None or seconds > 10_000 * 60 * 0.9 * (window.until_min - window.from_min)
