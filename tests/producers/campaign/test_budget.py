from datetime import UTC, datetime

import pytest

from producers.campaign.file import Campaign
from producers.errors import InputInvalid
from tests.producers.conftest import CAMPAIGN, SETTINGS, WriteFile
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

NOW = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
PRICED = SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nprice_per_part = "12 paise"\nmost_parts_per_day = 50')


@pytest.fixture
def priced(write: WriteFile) -> Settings:
    """A sender with a price, and a cap for the day."""
    return load(write("dispatch.toml", PRICED), {}, need=frozenset[Need]())


@pytest.mark.parametrize(("line", "most"), [("most_parts = 7", 7), ('most_money = "Rs 5"', 41), ("", 0)])
def test_a_cap_is_in_parts(write: WriteFile, priced: Settings, line: str, most: int) -> None:
    campaign = Campaign(write("c.toml", CAMPAIGN + line + "\n"), priced)

    assert campaign.budget.most_parts == most
    assert campaign.plan(NOW).max_parts == most


@pytest.mark.parametrize(
    ("line", "parts", "problems"),
    [
        ("most_parts = 7", 7, []),
        ("most_parts = 7", 8, ["it takes 8 parts and most_parts allows 7: what goes beyond is not sent"]),
        ('most_money = "Rs 5"', 41, []),
        (
            'most_money = "Rs 5"',
            42,
            ["it takes 42 parts and most_money = Rs 5.00 allows 41: what goes beyond is not sent"],
        ),
        ("", 50, []),
        ("", 51, ["it takes 51 parts and sender TIMESM may send 50 a day: what goes beyond waits for the next day"]),
    ],
)
def test_it_is_told_what_does_not_fit(
    write: WriteFile, priced: Settings, line: str, parts: int, problems: list[str]
) -> None:
    assert list(Campaign(write("c.toml", CAMPAIGN + line + "\n"), priced).budget.problems(parts)) == problems


def test_what_it_costs_is_exact(write: WriteFile, priced: Settings, settings: Settings) -> None:
    path = write("c.toml", CAMPAIGN)

    assert str(Campaign(path, priced).budget.cost(1_000_001)) == "120000.12"
    assert Campaign(path, settings).budget.cost(1) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('most_money = "Rs 0.11"', "most_money: buys no part: one costs Rs 0.12"),
        ("most_money = 5", "most_money: must be an amount in quotes"),
        ("most_parts = 0", "most_parts: must be at least 1, is 0"),
        (
            'most_parts = 1\nmost_money = "Rs 5"',
            "most_money: most_parts says the same in another way; leave one of them",
        ),
    ],
)
def test_a_cap_that_can_not_be_one_is_refused(write: WriteFile, priced: Settings, line: str, reason: str) -> None:
    with pytest.raises(InputInvalid, match=reason):
        Campaign(write("c.toml", f"{CAMPAIGN}{line}\n"), priced)


def test_money_needs_a_price(write: WriteFile, settings: Settings) -> None:
    with pytest.raises(
        InputInvalid, match=r"c\.toml:5: most_money: needs a price: price_per_part of the sender TIMESM"
    ):
        Campaign(write("c.toml", CAMPAIGN + 'most_money = "Rs 5"\n'), settings)


def test_what_is_used_of_the_day_is_taken_off(write: WriteFile, priced: Settings) -> None:
    budget = Campaign(write("c.toml", CAMPAIGN), priced).budget

    assert list(budget.problems(5, today=45)) == []
    [problem] = budget.problems(6, today=45)
    assert problem.startswith("it takes 6 parts and sender TIMESM may send 50 a day, of which 45 are used today: what")
