from decimal import Decimal

import pytest

from times_dispatch.settings.values.money import format_rupees, parse_rupees


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
    assert parse_rupees(text) == Decimal(amount)


@pytest.mark.parametrize("amount", ["5000", "$5", "Rs", "Rs -5", "Rs 1e3", "", 5000, 0.12, True])
def test_an_amount_without_its_unit_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match=r'must be an amount in quotes, as in "Rs 0\.125" or "12\.5 paise"'):
        parse_rupees(amount)


@pytest.mark.parametrize("amount", ["Rs 0", "0.00 paise"])
def test_an_amount_of_0_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        parse_rupees(amount)


def test_an_amount_is_written_in_rupees() -> None:
    assert format_rupees(Decimal("125000.125")) == "Rs 125,000.12"
