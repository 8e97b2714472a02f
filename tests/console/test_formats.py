from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from console.formats import Formats, NumberForm, day_typed

INDIA = Formats(NumberForm.INDIA)
INTERNATIONAL = Formats(NumberForm.INTERNATIONAL)
NOON_IN_LONDON_MS = datetime(2026, 11, 8, 12, 0, 5, tzinfo=UTC).timestamp() * 1000


@pytest.mark.parametrize(
    ("number", "india", "international"),
    [
        (0, "0", "0"),
        (999, "999", "999"),
        (1_000, "1,000", "1,000"),
        (99_999, "99,999", "99,999"),
        (100_000, "1,00,000", "100,000"),
        (1_234_567, "12,34,567", "1,234,567"),
        (123_456_789, "12,34,56,789", "123,456,789"),
        (-1_234_567, "-12,34,567", "-1,234,567"),
    ],
)
def test_numbers_have_groups_of_the_chosen_form(number: int, india: str, international: str) -> None:
    assert INDIA.number(number) == india
    assert INTERNATIONAL.number(number) == international


def test_money_keeps_its_paise() -> None:
    assert INDIA.rupees(Decimal("1476.48")) == "Rs 1,476.48"
    assert INDIA.rupees(Decimal("12345678.5")) == "Rs 1,23,45,678.50"
    assert INTERNATIONAL.rupees(Decimal("12345678.5")) == "Rs 12,345,678.50"
    assert INDIA.rupees(Decimal(0)) == "Rs 0.00"
    assert INDIA.rupees(Decimal("-3.5")) == "Rs -3.50"


def test_times_are_those_of_india_and_lose_their_date_on_the_same_day() -> None:
    assert INDIA.moment(NOON_IN_LONDON_MS) == "8 Nov 2026, 5:30 pm"
    assert INTERNATIONAL.second(NOON_IN_LONDON_MS) == "2026-11-08 17:30:05"
    assert Formats(now_s=NOON_IN_LONDON_MS / 1000 + 60).moment(NOON_IN_LONDON_MS) == "5:30 pm"
    assert INDIA.moment(0) == "–"
    assert INDIA.iso(NOON_IN_LONDON_MS) == "2026-11-08T17:30:05+05:30"
    assert INDIA.moment(NOON_IN_LONDON_MS - 12 * 3_600_000) == "8 Nov 2026, 5:30 am"


def test_durations_use_two_units_at_most() -> None:
    written = [INDIA.duration(seconds) for seconds in (None, 0.4, 45, 150, 3_000, 12_000, 200_000)]
    assert written == ["–", "0.4 s", "45 s", "2 min 30 s", "50 min", "3 h 20 min", "2 days"]


def test_shares_rates_and_sizes_say_their_unit() -> None:
    assert INDIA.share(973, 1000) == "97.3 %"
    assert INDIA.share(0, 0) == "–"
    assert (INDIA.rate(0), INDIA.rate(0.5), INDIA.rate(120_000)) == ("0/s", "0.5/s", "1,20,000/s")
    assert (INDIA.limit(0), INDIA.limit(50)) == ("no limit", "50/s")
    assert (INDIA.bytes(12), INDIA.bytes(1_500_000), INDIA.bytes(2e9)) == ("12 bytes", "1.5 MB", "2.0 GB")
    assert (INDIA.day("2026-11-08"), INTERNATIONAL.day("2026-11-08")) == ("8 Nov 2026", "2026-11-08")


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("8/11/2026", date(2026, 11, 8)),
        (" 08.11.2026 ", date(2026, 11, 8)),
        ("08-11-2026", date(2026, 11, 8)),
        ("2026-11-08", date(2026, 11, 8)),
        ("31/11/2026", None),
        ("11/30/2026", None),
        ("01/01/1999", None),
        ("31/12/9999", None),
        ("8/11/26", None),
        ("tomorrow", None),
        ("\u0668/11/2026", None),
        ("", None),
    ],
)
def test_a_typed_day_has_its_day_before_its_month(typed: str, day: date | None) -> None:
    assert day_typed(typed) == day


def test_a_field_shows_a_day_as_it_is_typed() -> None:
    day = date(2026, 11, 8)
    assert [(f.typed_day(day), f.form_of_typed_days) for f in (INDIA, INTERNATIONAL)] == [
        ("08/11/2026", "dd/mm/yyyy"),
        ("2026-11-08", "yyyy-mm-dd"),
    ]
    assert {day_typed(f.typed_day(day)) for f in (INDIA, INTERNATIONAL)} == {day}
    assert INDIA.typed_day(None) == ""
