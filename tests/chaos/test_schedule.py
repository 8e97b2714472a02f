from itertools import pairwise

from tests.chaos.processes import FROZEN, KILLED
from tests.chaos.schedule import Lane, deal

LANE = Lane((KILLED, FROZEN), ("worker-1", "worker-2", "beat"), until_s=60)


def test_the_same_seed_deals_the_same_faults() -> None:
    assert deal(LANE, "7/all") == deal(LANE, "7/all")
    assert deal(LANE, "7/all") != deal(LANE, "8/all")


def test_each_fault_and_each_target_has_its_turn_before_any_comes_again() -> None:
    steps = deal(LANE, "7/all")
    assert {step.fault for step in steps[:2]} == {KILLED, FROZEN}
    assert {step.target for step in steps[:3]} == {"worker-1", "worker-2", "beat"}


def test_in_a_lane_one_fault_is_over_before_the_next_begins() -> None:
    steps = deal(LANE, "7/all")
    assert steps[0].at_s == LANE.first_s
    assert steps[-1].at_s < LANE.until_s
    for step, following in pairwise(steps):
        assert step.at_s + step.lasts_s + LANE.pause_s[0] <= following.at_s
