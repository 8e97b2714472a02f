"""The typed object of statistics: the meaning of the fields of a hash."""

from decimal import Decimal

from times_dispatch.ledger.statistics.figures import CodeCount, Course, ErrorOwner, KeptBack, statistics_of, total

AMOUNTS = {
    "a": 1, "d": 6, "f": 2, "n": 1, "r": 3, "i": 1, "g": 1, "u": 4,
    "f:901": 1, "f:904": 1, "r:2054": 2, "r:15": 1, "i:10": 1, "g:16": 1, "u:31": 4,
    "parts": 12, "cost": 1_500_000, "unpriced": 0, "kept_parts:31": 5, "kept_cost:31": 625_000,
    "refused:duplicate": 7, "kept_parts:duplicate": 7, "kept_cost:duplicate": 875_000,
    "clicked": 5, "clickers": 3, "replied": 2, "opted_out": 1, "link:2": 4, "t48": 5, "t0": 1,
    "h10s": 10, "h10d": 6, "h10e": 6, "h10c": 5,
}  # fmt: skip


def test_sent_delivered_and_errors_follow_from_the_states() -> None:
    statistics = statistics_of(AMOUNTS)
    assert (statistics.sent, statistics.delivered, statistics.errors) == (10, 6, 6)
    assert (statistics.no_report, statistics.in_doubt) == (1, 1)
    assert statistics.states["suppressed"] == 4


def test_each_error_belongs_to_us_to_the_provider_or_to_the_operator() -> None:
    statistics = statistics_of(AMOUNTS)
    assert statistics.errors_by_owner == {"ours": 2, "provider": 3, "operator": 1}
    assert sum(statistics.errors_by_owner.values()) == statistics.errors
    assert CodeCount(state="failed", code=910, messages=1).owner is ErrorOwner.OPERATOR


def test_codes_have_the_names_of_their_origins() -> None:
    names = {code.name: code.messages for code in statistics_of(AMOUNTS).codes}
    assert names == {
        "report:901": 1, "report:904": 1, "push:2054": 2, "push:15": 1, "push:10": 1, "push:16": 1, "suppressed:31": 4,
    }  # fmt: skip


def test_money_is_in_rupees() -> None:
    statistics = statistics_of(AMOUNTS)
    assert (statistics.parts, statistics.cost) == (12, Decimal("1.5"))
    assert statistics.kept_back == [
        KeptBack(reason="on the opt-out list", messages=4, parts=5, cost=Decimal("0.625"), code=31),
        KeptBack(reason="duplicate", messages=7, parts=7, cost=Decimal("0.875")),
    ]
    assert statistics.money_kept == Decimal("1.5")


def test_rates_are_percentages_of_sent_and_of_delivered() -> None:
    statistics = statistics_of(AMOUNTS)
    assert statistics.delivery_rate_percent == 60
    assert statistics.click_rate_percent == 100 * 5 / 6
    assert statistics_of({"a": 10, "clicked": 2}).click_rate_percent == 20
    assert statistics_of({}).delivery_rate_percent is None
    assert statistics_of({}).click_rate_percent is None


def test_the_course_has_an_entry_for_each_hour() -> None:
    assert statistics_of(AMOUNTS).course == {10: Course(sent=10, delivered=6, errors=6, clicked=5)}
    assert statistics_of(AMOUNTS).links == {2: 4}
    assert statistics_of(AMOUNTS).delivery_times.messages == 6


def test_numbered_figures_come_in_the_order_of_their_numbers() -> None:
    statistics = statistics_of(
        {"link:10": 1, "link:3": 2, "link:1": 1, "retried:2": 1, "retried:1": 5, "h11s": 1, "h9s": 1}
    )
    assert list(statistics.links) == [1, 3, 10]
    assert list(statistics.retried) == [1, 2]
    assert list(statistics.course) == [9, 11]


def test_fields_are_added_up_over_several_hashes() -> None:
    assert total([AMOUNTS, {"d": 4}])["d"] == 10
