from decimal import Decimal

import pytest

from times_dispatch.settings.durations import duration, in_words, seconds
from times_dispatch.settings.money import in_words as money_in_words
from times_dispatch.settings.money import rupees
from times_dispatch.settings.prices import parts_for


@pytest.mark.parametrize(
    ("text", "length_s"),
    [
        ("24h", 86_400),
        ("90m", 5_400),
        ("1d12h", 129_600),
        ("1d1h1m", 90_060),
        ("1m", 60),
        ("90s", 90),
        ("1m30s", 90),
        ("1d1h1m1s", 90_061),
        ("1s", 1),
    ],
)
def test_a_length_of_time_is_read(text: str, length_s: int) -> None:
    assert seconds(text) == length_s
    assert duration(text) == text


@pytest.mark.parametrize(
    "text", ["", "0m", "0h", "24", "h", "12h1d", "1.5h", "-1h", "1h ", "0s", "s", "10s1m", "10 s", "10ms", "1.5s"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be days, hours, minutes and seconds as in 24h, 90m, 1d12h or 45s, is"):
        seconds(text)


def test_nothing_may_be_allowed() -> None:
    assert seconds("0m", least=0) == 0
    with pytest.raises(ValueError, match="must be days"):
        seconds("", least=0)


@pytest.mark.parametrize(
    ("length_s", "words"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1m"), (3600, "1h"), (5_400, "1h 30m"), (90_060, "1d 1h"), (172_860, "2d 1m")],
)
def test_a_length_of_time_is_worded(length_s: float, words: str) -> None:
    assert in_words(length_s) == words


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("Rs 5,000", "5000"),
        ("Rs. 1,00,000.50", "100000.50"),
        ("rs0.125", "0.125"),
        ("₹0.125", "0.125"),
        ("INR 12", "12"),
        ("12.5 paise", "0.125"),
        ("12 Paise", "0.12"),
    ],
)
def test_an_amount_is_exact(text: str, amount: str) -> None:
    assert rupees(text) == Decimal(amount)


@pytest.mark.parametrize("amount", ["5000", "$5", "Rs", "Rs -5", "Rs 1e3", "", 5000, 0.12, True])
def test_an_amount_without_its_unit_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match=r'must be an amount in quotes, as in "Rs 0\.125" or "12\.5 paise"'):
        rupees(amount)


@pytest.mark.parametrize("amount", ["Rs 0", "0.00 paise"])
def test_nothing_is_no_amount(amount: str) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        rupees(amount)


def test_an_amount_is_worded() -> None:
    assert money_in_words(Decimal("125000.125")) == "Rs 125,000.12"


@pytest.mark.parametrize(("money", "parts"), [("Rs 0.11", 0), ("Rs 0.12", 1), ("Rs 0.23", 1), ("Rs 5,000", 41_666)])
def test_money_buys_whole_parts(money: str, parts: int) -> None:
    assert parts_for(rupees(money), Decimal("0.12")) == parts
