import pytest

from callbacks.links.visit_ids import VisitIds
from times_dispatch.ledger.model import CampaignId

FIRST, SECOND, THIRD = CampaignId("campaign"), CampaignId("diwali01"), CampaignId("diwali02")


def test_the_visits_of_each_campaign_are_numbered_from_0() -> None:
    ids = VisitIds()
    drawn = [ids.next(campaign) for campaign in (FIRST, SECOND, FIRST, FIRST, SECOND)]
    assert [id_.partition("-")[2] for id_ in drawn] == ["0", "0", "1", "2", "1"]
    assert len({id_.partition("-")[0] for id_ in drawn}) == 2


def test_two_processes_have_different_names() -> None:
    assert VisitIds().next(FIRST) != VisitIds().next(FIRST)


@pytest.mark.parametrize("ids", [VisitIds(max_campaigns=1), VisitIds(max_number=0)])
def test_a_forgotten_campaign_and_one_with_too_many_visits_get_a_new_name(ids: VisitIds) -> None:
    before = ids.next(FIRST)
    ids.next(THIRD)
    after = ids.next(FIRST)
    assert after.endswith("-0")
    assert before != after
