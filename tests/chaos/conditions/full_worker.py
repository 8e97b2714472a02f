"""*full worker killed*: a worker whose places are all taken dies, with wake-ups in its memory."""

import asyncio
import time
from types import MappingProxyType

from tests.chaos import process_faults
from tests.chaos.figure import ChaosFigure
from tests.chaos.goes_on import goes_on, note_kill
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.submitting import copy_campaign, submit
from tests.chaos.testbed import ChaosTestbed, TestbedOptions
from times_dispatch.ledger.states import MessageState

FULL = "campaigns begun by the full worker before its death"
_SENDERS = MappingProxyType(dict.fromkeys(("CHAOSD", "CHAOSE", "CHAOSF", "CHAOSG"), 0.0))
_CAMPAIGNS_OF_EACH = 64
"""As many batches of campaigns with a rate of their own as one sender has out at once."""
_RATE_PER_S, _MESSAGES = 2.0, 80
_VALIDITY_S = 360
"""Long enough for a machine that cannot keep up with so many campaigns: the wait for another worker is what counts."""
_PLACES = 173
"""Batches that a worker has at work at once (``workers/process.py``), without the places that are kept for urgent ones
(``workers/dispatcher.py``)."""
_FULL, *_OTHERS = "worker-1", "worker-2", "worker-3"
_FILLS_WITHIN_S = 15.0
_KILLED_WITHIN_S = 3.0
"""The kill follows the look at all campaigns within this time, also on a busy machine."""
_OTHERS_READY_S = 6.0
"""The other workers have room and nothing to do when the full one dies."""


def plan() -> RunPlan:
    scenario = Scenario("full worker killed", (), validity_s=_VALIDITY_S, script=_kill_full_worker)
    options = TestbedOptions(workers=1 + len(_OTHERS), rates=_SENDERS)
    return RunPlan("full worker killed", [scenario], options, resends=True, measures=(FULL,), judges=(goes_on,))


def judge(begun: int, campaigns: int) -> ChaosFigure:
    """Say whether the scenario proves something: the worker must be full, and more campaigns must wait."""
    return ChaosFigure(FULL, f"{begun} of {campaigns}", f"≥ {_PLACES}, not all", _PLACES <= begun < campaigns)


async def _kill_full_worker(testbed: ChaosTestbed) -> None:
    for name in _OTHERS:
        await process_faults.STOPPED.inject(testbed, name, 0.0)
    first, *_ = _SENDERS
    sample = await submit(testbed, CampaignSpec(first, 1), name="sample", validity_s=_VALIDITY_S)
    plan = (await testbed.queries.campaign(sample)).plan
    for sender in _SENDERS:
        copies = await copy_campaign(
            testbed, plan, sender=sender, count=_CAMPAIGNS_OF_EACH, messages=_MESSAGES, rate_per_s=_RATE_PER_S
        )
        testbed.unwatched |= set(copies)
    until = time.monotonic() + _FILLS_WITHIN_S
    while (begun := await _begun(testbed)) < _PLACES and time.monotonic() < until:
        await asyncio.sleep(0.3)
    await asyncio.sleep(2)  # wake-ups of the rest come into the worker's memory
    testbed.events.measured.append(judge(await _begun(testbed), len(testbed.campaigns)))
    for name in _OTHERS:
        await process_faults.STOPPED.recover(testbed, name, 0.0)
    await asyncio.sleep(_OTHERS_READY_S)
    await note_kill(testbed, _FULL, min_pending=round(_RATE_PER_S * _KILLED_WITHIN_S))
    testbed.log_action(f"{_FULL}: kill -9, with {begun} batches at work")
    await process_faults.KILLED.inject(testbed, _FULL, 0.0)
    await asyncio.sleep(30)
    await process_faults.KILLED.recover(testbed, _FULL, 0.0)
    testbed.log_action(f"{_FULL}: over")


async def _begun(testbed: ChaosTestbed) -> int:
    views = [await testbed.queries.campaign(campaign) for campaign in testbed.campaigns]
    return sum(view.counts[MessageState.PENDING] < view.total for view in views)
