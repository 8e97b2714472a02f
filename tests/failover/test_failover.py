"""The short form of ``python -m tests.failover``."""

import pytest

from tests.failover.scenario import Event, Setting, run

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # a failover takes seconds

MESSAGES = 2_400
MAX_GAP_S = 75.0
"""Seconds, for a busy machine; ``python -m tests.failover`` measures the gap. Workers that do not find the new primary
send no further message."""
MAX_OPEN = 2 * 2 * 20
"""The messages of two workers with two batches each, and with blocks of a twentieth of a second at 400/s."""


@pytest.mark.parametrize(
    ("setting", "event"), [(Setting.WAIT, Event.KILLED_BEHIND), (Setting.MIN_REPLICAS, Event.KILLED)]
)
def test_a_failover_by_sentinel_under_load_loses_nothing_and_sends_nothing_twice(
    setting: Setting, event: Event
) -> None:
    loss = run(setting, event, messages=MESSAGES)
    assert (loss.accepted_twice, loss.not_sent, loss.differences, loss.in_doubt_accepted) == (0, 0, 0, 0)
    # Messages of a block that was given back only on the old primary, so that the new primary does not know it.
    assert loss.in_doubt <= MAX_OPEN
    assert loss.gap_s < MAX_GAP_S
