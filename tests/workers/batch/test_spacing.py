"""The spacing of one pace in a worker process."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, SenderId
from workers.batch.spacing import Spacing, Spacings


def plan(**changes: Any) -> Plan:
    return Plan(
        name="diwali-sale",
        sender=SenderId("TIMESM"),
        provider="times",
        template="greeting",
        content_id="1107160000000000001",
        text="Dear customer",
        category="service",
        valid_until_ms=1,
        **changes,
    )


@given(st.lists(st.floats(0.0, 2.0), min_size=2, max_size=200), st.floats(5.0, 500.0))
def test_however_late_messages_come_no_second_holds_more_than_the_rate_and_a_twentieth(
    gaps_s: list[float], rate: float
) -> None:
    spacing, now, moments = Spacing(), 100.0, list[float]()
    for gap_s in gaps_s:
        now += gap_s / rate
        at = max(now, spacing.earliest())
        spacing.take(at, 1 / rate)
        moments.append(at)
    for first in range(len(moments)):
        in_second = sum(moments[first] <= at < moments[first] + 1.0 for at in moments)
        assert in_second <= rate * 1.05 + 1 + 1e-6


def test_batches_of_a_sender_share_a_spacing_unless_their_campaign_has_a_rate_of_its_own_or_is_urgent() -> None:
    spacings = Spacings()
    first, second = (BatchRef(SenderId("TIMESM"), CampaignId(campaign), 0) for campaign in ("diwali01", "diwali02"))
    shared = spacings.get(first, plan())
    assert spacings.get(second, plan()) is shared
    others = [spacings.get(first, plan(rate_per_s=5.0)), spacings.get(first, plan(urgent=True))]
    assert shared not in others
    assert spacings.get(second, plan(rate_per_s=5.0)) not in others
