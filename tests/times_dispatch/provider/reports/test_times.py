import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.provider.reports.times import epoch_s


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 1000, 10**6]))
def test_a_number_is_read_in_every_unit(seconds: int, per_second: int) -> None:
    if per_second == 1 or seconds > 10**8:
        assert epoch_s(seconds * per_second) == epoch_s(str(seconds * per_second)) == seconds


DAY_2, YEAR_2100 = datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("2100-01-01")


@given(st.datetimes(DAY_2, YEAR_2100))
def test_an_iso_time_in_utc_is_read(moment: datetime) -> None:
    expected = int(moment.replace(tzinfo=UTC).timestamp())
    assert epoch_s(moment.isoformat() + "Z") == epoch_s(moment.isoformat(" ") + "+00:00") == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        "",
        "2026-11-26",
        "10:30",
        "05/11/2026 10:30",
        "31/11/2026 10:30",
        "26/11-2026 10:30",
        "26/11/2026",
        "-1",
        -1,
        2**32,
        "NaN",
    ],
)
def test_a_value_that_is_no_certain_time_is_not_read(value: object) -> None:
    assert epoch_s(value) is None


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("26/11/2026 10:30", "2026-11-26T10:30+05:30"),
        ("11/26/2026 10:30:05 PM", "2026-11-26T22:30:05+05:30"),
        ("26-11-2026 10:30:05.250", "2026-11-26T10:30:05+05:30"),
        ("26.11.2026 10:30 UTC", "2026-11-26T10:30+00:00"),
        ("26/11/2026, 10:30:05 am", "2026-11-26T10:30:05+05:30"),
        ("11/11/2026 10:30", "2026-11-11T10:30+05:30"),
    ],
)
def test_a_date_of_numbers_is_read_if_only_one_of_them_can_be_the_month(text: str, iso: str) -> None:
    assert epoch_s(text) == int(datetime.fromisoformat(iso).timestamp())


@given(st.text(max_size=30) | st.floats() | st.integers())
def test_any_value_is_read_or_not(value: object) -> None:
    seconds = epoch_s(value)
    assert seconds is None or 0 <= seconds < 2**32


@pytest.mark.parametrize(
    "value",
    [
        "22-NOV-26 03.56.40.000000 AM",
        "22-Nov-26 03.56.40",
        "261122035640022+",
        "261121222640000+",
        "261121172640020-",
        "20261122 03:56:40",
        "2026-11-22 03:56:40:000",
        "2026-11-22 3:56:40",
        "2026-11-22%2003%3A56%3A40",
        "2026-11-22%2003:56:40",
        "2026-11-22+03:56:40",
        "2026-11-21 22:26:40 +0000 UTC",
        "2026-11-22 03:56:40.999 +0530 IST",
        "November 22, 2026 at 3:56:40 AM",
        "11/22/2026, 3:56:40\u202fAM",
        "\u200e22\u200e/\u200e11\u200e/\u200e2026 03:56:40",
        "2026-11-22\u00a003:56:40",
        "Sun, 22 Nov 26 03:56:40 +0530",
        {"$date": {"$numberLong": "1795300000000"}},
        {"$numberLong": "1795300000000"},
    ],
    ids=ascii,
)
def test_times_of_databases_browsers_and_smpp_are_read(value: object) -> None:
    assert epoch_s(value) == 1_795_300_000


@pytest.mark.parametrize("value", ["261122035640099+", "261322035640022+", "2026-11-22 03:56:000", {"$date": {}}, {}])
def test_times_out_of_these_forms_are_not_read(value: object) -> None:
    assert epoch_s(value) is None


def test_a_date_without_a_zone_is_in_utc_on_every_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python writes -0000 into dates of e-mails; the zone of the host does not matter."""
    try:
        with monkeypatch.context() as environment:
            environment.setenv("TZ", "Asia/Kolkata")
            time.tzset()
            assert epoch_s("Sat, 21 Nov 2026 22:26:40 -0000") == 1_795_300_000
    finally:
        time.tzset()
