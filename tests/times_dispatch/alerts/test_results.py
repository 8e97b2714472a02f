"""Alerts about the results of messages: values just below and at each limit."""

import pytest

from tests.kit.ledger import SENDER
from tests.kit.observation import campaign_view, observation
from times_dispatch.alerts.counts import ProviderCounts
from times_dispatch.alerts.results import (
    finished_campaigns,
    is_below_usual,
    low_deliveries,
    many_complaints,
    messages_in_doubt,
)
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.statistics.usual import DeliveryCounts
from times_dispatch.settings.tables.alerts import AlertSettings

RULES = AlertSettings()
USUAL = DeliveryCounts(days=20, sent=20_000, delivered=18_600, failed=1_400)
NOTHING = DeliveryCounts()


def counts(provider: str = "times", *, today: DeliveryCounts = NOTHING, in_doubt: int = 0) -> ProviderCounts:
    days = DeliveryCounts(in_doubt=in_doubt)
    return ProviderCounts(sender=SENDER, provider=provider, today=today, days=days, usual=USUAL)


def day(delivered: int, failed: int, *, sent: int = 0, days: int = 1) -> DeliveryCounts:
    return DeliveryCounts(days=days, sent=sent or delivered + failed, delivered=delivered, failed=failed)


def test_a_finished_campaign_is_an_event_with_its_results() -> None:
    messages = dict.fromkeys(MessageState, 0)
    messages |= {MessageState.ACCEPTED: 1_200, MessageState.IN_DOUBT: 3, MessageState.FAILED: 4}
    view = campaign_view(CampaignState.FINISHED, counts=messages, finished_ms=77)
    (event,) = finished_campaigns(observation(finished=[view]))
    assert event.id == "finished:diwali01:77"
    assert event.text == (
        "campaign diwali01 (diwali-sale) of sender TIMESM is finished: "
        "1,200 accepted, without a report yet, 4 failed, 3 in doubt"
    )


@pytest.mark.parametrize(("second", "count"), [(40, 0), (41, 1)])
def test_messages_in_doubt_of_all_providers_of_a_sender_count_together(second: int, count: int) -> None:
    now = observation(counts=[counts(in_doubt=60), counts("other", in_doubt=second)])
    found = list(messages_in_doubt(now, RULES))
    assert [condition.id for condition in found] == ["in_doubt:TIMESM"] * count
    for condition in found:
        assert "(dispatch list --sender TIMESM): dispatch resolve ID" in condition.text


@pytest.mark.parametrize(
    ("today", "usual", "is_below"),
    [
        (day(830, 170), USUAL, False),  # 83 % is exactly 10 points below 93 %
        (day(829, 171), USUAL, True),
        (day(100, 99), USUAL, False),  # too few reports today
        (day(100, 100), USUAL, True),
        (day(100, 100, sent=430), USUAL, False),  # most messages of today have no report yet
        (day(100, 100), day(930, 69, days=20), False),  # too few reports on earlier days
        (day(100, 100), day(930, 70, days=20), True),
        (day(100, 100), day(9_300, 700, days=2), False),  # too few earlier days
        (day(100, 100), day(9_300, 700, days=3), True),
        (day(85, 115), day(5_000, 5_000, days=20), False),  # usually half of them fail: chance explains 42 % of 200
        (day(78, 122), day(5_000, 5_000, days=20), True),
        (NOTHING, NOTHING, False),
    ],
)
def test_a_share_of_deliveries_is_low_only_if_neither_chance_nor_missing_reports_explain_it(
    today: DeliveryCounts, usual: DeliveryCounts, is_below: bool
) -> None:
    assert is_below_usual(today, usual, drop=0.1) is is_below


def test_a_low_share_names_both_shares() -> None:
    (condition,) = low_deliveries(observation(counts=[counts(today=day(700, 300))]), RULES)
    assert (condition.id, condition.sender) == ("delivered_share:TIMESM:times", SENDER)
    assert "70% are delivered; usual are 93%" in condition.text


@pytest.mark.parametrize(("number", "count"), [(3, 0), (4, 1), (5, 1)])
def test_complaints_are_a_condition_from_four_on(number: int, count: int) -> None:
    found = list(many_complaints(observation(complaints={SENDER: number}), RULES))
    assert [condition.id for condition in found] == ["complaints:TIMESM"] * count
    assert all(condition.text.startswith(f"{number} complaints about sender TIMESM") for condition in found)
