from itertools import pairwise

from tests.chaos.process_faults import FROZEN, KILLED
from tests.chaos.schedule import FaultSequence, schedule

SEQUENCE = FaultSequence((KILLED, FROZEN), ("worker-1", "worker-2", "beat"), until_s=60)


def test_the_same_seed_gives_the_same_faults() -> None:
    assert schedule(SEQUENCE, "7/all") == schedule(SEQUENCE, "7/all")
    assert schedule(SEQUENCE, "7/all") != schedule(SEQUENCE, "8/all")


def test_each_fault_and_each_target_occurs_once_before_any_recurs() -> None:
    faults = schedule(SEQUENCE, "7/all")
    assert {scheduled.fault for scheduled in faults[:2]} == {KILLED, FROZEN}
    assert {scheduled.target for scheduled in faults[:3]} == {"worker-1", "worker-2", "beat"}


def test_in_a_sequence_one_fault_is_over_before_the_next_begins() -> None:
    faults = schedule(SEQUENCE, "7/all")
    assert faults[0].at_s == SEQUENCE.first_s
    assert faults[-1].at_s < SEQUENCE.until_s
    for scheduled, following in pairwise(faults):
        assert scheduled.at_s + scheduled.duration_s + SEQUENCE.pause_s[0] <= following.at_s
