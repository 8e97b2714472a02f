"""The state machine with all its steps, and the frequency of each step."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.kit.ledger_machine.lost_seconds import LostSecondsSteps

STEPS = {
    "work": 10,
    "report": 3,
    "keep_up": 3,
    "time_passes": 2,
    "act_as_a_person": 2,
    "resolve": 2,
    "late_event": 1,
    "repeat_calls": 4,
    "take_a_snapshot": 1,
    "put_the_snapshot_back": 1,
    "lose_seconds": 2,
    "report_a_push_of_lost_seconds": 1,
}
WEIGHTED_STEPS = [step for step, weight in STEPS.items() for _ in range(weight)]


class LedgerMachine(LostSecondsSteps):
    """All steps in one rule. Hypothesis omits whole rules from many examples, but each example needs workers' steps."""

    @rule(data=st.data(), steps=st.lists(st.sampled_from(WEIGHTED_STEPS), min_size=5, max_size=15))
    def act(self, data: st.DataObject, steps: list[str]) -> None:
        for step in steps:
            getattr(self, step)(data)
            self.compare()
