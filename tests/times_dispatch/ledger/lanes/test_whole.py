import pytest

from times_dispatch.ledger.lanes.whole import whole_state
from times_dispatch.ledger.states import CampaignState as S


@pytest.mark.parametrize(
    ("lanes", "whole"),
    [
        ([S.RUNNING, S.FINISHED], S.RUNNING),
        ([S.FINISHED, S.FINISHED], S.FINISHED),
        ([S.RUNNING, S.PAUSED], S.PAUSED),
        ([S.PAUSED, S.BRAKED, S.RUNNING], S.BRAKED),
        ([S.PAUSED, S.FINISHED], S.PAUSED),
        ([S.CANCELLED, S.FINISHED], S.CANCELLED),
        ([S.CANCELLED, S.RUNNING], S.CANCELLED),
        ([S.SUBMITTING, S.SUBMITTING], S.SUBMITTING),
        ([S.RUNNING, S.SUBMITTING], S.SUBMITTING),
        ([S.CANCELLED, S.SUBMITTING], S.CANCELLED),
    ],
)
def test_a_stop_of_one_lane_is_the_state_of_the_campaign(lanes: list[S], whole: S) -> None:
    assert whole_state(lanes) is whole
    assert whole_state(lanes[::-1]) is whole
