"""The short form of ``python -m tests.failover``."""

import pytest

from tests.failover.scenario import Event, Setting, run

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # a failover takes seconds

MESSAGES = 2_400
MAX_GAP_S = 25.0


@pytest.mark.parametrize(
    ("setting", "event"), [(Setting.WAIT, Event.KILLED_BEHIND), (Setting.MIN_REPLICAS, Event.KILLED)]
)
def test_a_failover_by_sentinel_under_load_loses_nothing_and_sends_nothing_twice(
    setting: Setting, event: Event
) -> None:
    loss = run(setting, event, messages=MESSAGES)
    assert (loss.accepted_twice, loss.not_sent, loss.differences, loss.in_doubt) == (0, 0, 0, 0)
    assert loss.gap_s < MAX_GAP_S
