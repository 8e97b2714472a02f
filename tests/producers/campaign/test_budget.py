from datetime import UTC, datetime

import pytest

from producers.campaign.file import Campaign
from producers.errors import InputInvalid
from tests.kit.producers import CAMPAIGN, SETTINGS, WriteFile
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

NOW = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
PRICED = SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nprice_per_part = "12 paise"\nmax_parts_per_day = 50')


@pytest.fixture
def priced(write: WriteFile) -> Settings:
    """A sender with a price and a daily cap."""
    return load(write("dispatch.toml", PRICED), {}, need=frozenset[Need]())


@pytest.mark.parametrize(("line", "most"), [("max_parts = 7", 7), ('max_money = "Rs 5"', 41), ("", 0)])
def test_a_budget_is_counted_in_parts(write: WriteFile, priced: Settings, line: str, most: int) -> None:
    campaign = Campaign(write("c.toml", CAMPAIGN + line + "\n"), priced)

    assert campaign.budget.max_parts == most
    assert campaign.plan(NOW).max_parts == most


@pytest.mark.parametrize(
    ("line", "parts", "problems"),
    [
        ("max_parts = 7", 7, []),
        ("max_parts = 7", 8, ["the campaign takes 8 parts and max_parts allows 7: the remaining parts are not sent"]),
        ('max_money = "Rs 5"', 41, []),
        (
            'max_money = "Rs 5"',
            42,
            ["the campaign takes 42 parts and max_money = Rs 5.00 allows 41: the remaining parts are not sent"],
        ),
        ("", 50, []),
        (
            "",
            51,
            [
                (
                    "the campaign takes 51 parts and sender TIMESM may send 50 a day: "
                    "the remaining parts wait for the next day"
                )
            ],
        ),
    ],
)
def test_parts_beyond_a_limit_are_a_problem(
    write: WriteFile, priced: Settings, line: str, parts: int, problems: list[str]
) -> None:
    assert list(Campaign(write("c.toml", CAMPAIGN + line + "\n"), priced).budget.problems(parts)) == problems


def test_the_cost_is_exact(write: WriteFile, priced: Settings, settings: Settings) -> None:
    path = write("c.toml", CAMPAIGN)

    assert str(Campaign(path, priced).budget.cost(1_000_001)) == "120000.12"
    assert Campaign(path, settings).budget.cost(1) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('max_money = "Rs 0.11"', "max_money: buys no part: a part costs Rs 0.12"),
        ("max_money = 5", "max_money: must be an amount in quotes"),
        ("max_parts = 0", "max_parts: must be at least 1, is 0"),
        (
            'max_parts = 1\nmax_money = "Rs 5"',
            "max_money: cannot be combined with max_parts; leave one of them",
        ),
    ],
)
def test_an_impossible_budget_is_refused(write: WriteFile, priced: Settings, line: str, reason: str) -> None:
    with pytest.raises(InputInvalid, match=reason):
        Campaign(write("c.toml", f"{CAMPAIGN}{line}\n"), priced)


def test_money_needs_a_price(write: WriteFile, settings: Settings) -> None:
    with pytest.raises(InputInvalid, match=r"c\.toml:5: max_money: needs a price: price_per_part of the sender TIMESM"):
        Campaign(write("c.toml", CAMPAIGN + 'max_money = "Rs 5"\n'), settings)


def test_parts_that_are_used_today_reduce_the_daily_limit(write: WriteFile, priced: Settings) -> None:
    budget = Campaign(write("c.toml", CAMPAIGN), priced).budget

    assert list(budget.problems(5, used_today=45)) == []
    [problem] = budget.problems(6, used_today=45)
    assert problem.startswith(
        "the campaign takes 6 parts and sender TIMESM may send 50 a day, of which 45 are used today: the remaining"
    )


@pytest.mark.parametrize(
    ("line", "old_name", "new_name"),
    [("most_parts = 7", "most_parts", "max_parts"), ('most_money = "Rs 5"', "most_money", "max_money")],
)
def test_the_old_name_of_a_budget_is_read_with_a_warning(
    write: WriteFile, priced: Settings, line: str, old_name: str, new_name: str
) -> None:
    old = Campaign(write("c.toml", f"{CAMPAIGN}{line}\n"), priced)
    new = Campaign(write("new.toml", f"{CAMPAIGN}{line.replace(old_name, new_name)}\n"), priced)

    assert old.table == new.table
    warnings = set(old.warnings(NOW)) - set(new.warnings(NOW))
    assert warnings == {f"{old.path}:5: {old_name}: is an old name; write {new_name}"}


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        ("max_parts = 7\nmost_parts = 7", "6: most_parts: is the old name of max_parts, which is given as well"),
        (
            'max_money = "Rs 5"\nmost_money = "Rs 5"',
            "6: most_money: is the old name of max_money, which is given as well",
        ),
    ],
)
def test_a_budget_under_both_its_names_is_refused(write: WriteFile, priced: Settings, lines: str, mistake: str) -> None:
    path = write("c.toml", f"{CAMPAIGN}{lines}\n")

    with pytest.raises(InputInvalid) as invalid:
        Campaign(path, priced)

    assert str(invalid.value) == f"{path}:{mistake}"
