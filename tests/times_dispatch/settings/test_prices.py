from decimal import Decimal

import pytest

from tests.kit.settings import Loader, Mistakes, with_sender
from times_dispatch.settings.prices import max_parts_per_day, parts_for, price
from times_dispatch.settings.values.money import parse_rupees


@pytest.mark.parametrize(("money", "parts"), [("Rs 0.11", 0), ("Rs 0.12", 1), ("Rs 0.23", 1), ("Rs 5,000", 41_666)])
def test_money_buys_whole_parts(money: str, parts: int) -> None:
    assert parts_for(parse_rupees(money), Decimal("0.12")) == parts


def test_a_price_may_be_that_of_the_category(loaded: Loader) -> None:
    settings = loaded(with_sender('max_money_per_day = "Rs 10"') + '[categories.service]\nprice_per_part = "Rs 0.2"\n')
    sender = settings.senders["TIMESM"]

    assert str(price(sender, "service", settings.categories)) == "0.2"
    assert price(sender, "promotional", settings.categories) is None
    assert max_parts_per_day("TIMESM", settings) == 50


PROMOTIONAL = """
[templates.sale]
sender = "TIMESM"
content_id = "1207161786534401929"
text = "Our sale begins."
category = "promotional"
"""


@pytest.mark.parametrize(
    ("lines", "most"),
    [
        ((), 20),
        (('price_per_part = "Rs 0.25"',), 40),
        (('templates = ["order-shipped"]',), 50),
    ],
)
def test_a_daily_cap_in_money_is_converted_at_the_highest_price(
    loaded: Loader, lines: tuple[str, ...], most: int
) -> None:
    prices = '[categories.service]\nprice_per_part = "Rs 0.2"\n[categories.promotional]\nprice_per_part = "Rs 0.5"\n'

    settings = loaded(with_sender('max_money_per_day = "Rs 10"', *lines) + PROMOTIONAL + prices)

    assert max_parts_per_day("TIMESM", settings) == most


def test_a_daily_cap_in_money_needs_a_price_for_each_category(mistakes: Mistakes) -> None:
    priced = '[categories.service]\nprice_per_part = "Rs 0.2"\n'

    [mistake] = mistakes(with_sender('max_money_per_day = "Rs 10"') + PROMOTIONAL + priced)

    assert mistake.startswith(
        "dispatch.toml:6: senders.TIMESM.max_money_per_day: needs a price: price_per_part here, or in "
        "[categories.promotional]"
    )
