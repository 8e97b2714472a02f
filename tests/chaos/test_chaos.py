"""The suite in brief, with every process real; ``make chaos`` is the long form."""

import asyncio

import pytest

from tests.chaos.figures import arriving
from tests.chaos.run import run
from tests.chaos.scenarios import Programme, brief
from tests.chaos.stage import Stage
from tests.chaos.table import explanation, what_happened
from tests.chaos.verdict import Verdict

LEASE_S = 4.0
GAP_S = LEASE_S + 5.0
"""What production has beyond its leases: 20 s for 15."""


@pytest.mark.processes
@pytest.mark.alone
def test_whatever_goes_wrong_every_message_is_accepted_exactly_once() -> None:
    with Stage(seed=3, lease_s=LEASE_S) as stage:
        result = asyncio.run(run(stage, Programme("in brief", [brief(LEASE_S)], resends=True), say=print))
        verdict = Verdict(result, gap_s=GAP_S)
        notes = result.evidence.notes
        told = "\n".join([*explanation(verdict), *what_happened(stage)])
        assert not [figure.name for figure in verdict.figures if not figure.holds and not figure.needs_quiet], told
        # Where no worker was seen to be lost nothing is proved.
        assert any(loss.open for loss in notes.losses), told
        assert notes.stops_s, told
        # However busy the machine: twice its rate is not for any of them.
        assert arriving(result.evidence, most_above=1.0).holds, told
