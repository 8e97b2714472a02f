"""The short form of ``python -m tests.failover``."""

import pytest

from tests.failover.scenario import Event, Setting, run

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # a failover takes seconds

MESSAGES = 2_400
MAX_GAP_S = 75.0
"""For a busy machine; ``python -m tests.failover`` measures the gap. Workers that do not find the new primary send no
more at all."""
MAX_OPEN = 2 * 2 * 20
"""Two workers with two batches each, and blocks of a twentieth of a second at 400/s."""


@pytest.mark.parametrize(
    ("setting", "event"), [(Setting.WAIT, Event.KILLED_BEHIND), (Setting.MIN_REPLICAS, Event.KILLED)]
)
def test_a_failover_by_sentinel_under_load_loses_nothing_and_sends_nothing_twice(
    setting: Setting, event: Event
) -> None:
    loss = run(setting, event, messages=MESSAGES)
    assert (loss.accepted_twice, loss.not_sent, loss.differences, loss.in_doubt_accepted) == (0, 0, 0, 0)
    # A block that was given back on the old primary alone: nothing of it was pushed, and the new one cannot know.
    assert loss.in_doubt <= MAX_OPEN
    assert loss.gap_s < MAX_GAP_S
