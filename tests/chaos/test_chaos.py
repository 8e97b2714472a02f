"""A short form of the chaos suite, with real processes; ``make chaos`` is the long form."""

import asyncio

import pytest

from tests.chaos.figures import arriving
from tests.chaos.output import event_lines, failure_lines
from tests.chaos.run import run
from tests.chaos.scenario import RunPlan
from tests.chaos.scenarios import brief
from tests.chaos.testbed import ChaosTestbed
from tests.chaos.verdict import RunVerdict

LEASE_S = 4.0
GAP_S = LEASE_S + 5.0
"""The gap in proportion to the lease, as in production, where the gap is 20 s and the lease 15 s."""


@pytest.mark.processes
@pytest.mark.alone
def test_whatever_goes_wrong_every_message_is_accepted_exactly_once() -> None:
    with ChaosTestbed(seed=3, lease_s=LEASE_S) as testbed:
        result = asyncio.run(run(testbed, RunPlan("in brief", [brief(LEASE_S)], resends=True), progress=print))
        verdict = RunVerdict(result, gap_s=GAP_S)
        events = result.observations.events
        details = "\n".join([*failure_lines(verdict), *event_lines(testbed)])
        assert not [figure.name for figure in verdict.figures if not figure.holds and not figure.needs_quiet], details
        # The run proves something only if a worker was lost while it was sending.
        assert any(lost.open for lost in events.lost_workers), details
        assert events.stops_s, details
        # Even on a busy machine, no sender may reach twice its rate.
        assert arriving(result.observations, max_excess=1.0).holds, details
