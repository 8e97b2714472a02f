"""*full worker killed*: a worker dies that works on as many batches as it may, and has more wake-ups in memory."""

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
"""The number of batches of campaigns with their own rate that one sender has out at once."""
_RATE_PER_S, _MESSAGES = 2.0, 80
_VALIDITY_S = 360
"""Seconds, enough for a machine that is slow with so many campaigns: only the wait for another worker is judged."""
_PLACES = 173
"""The number of batches that a worker works on at once (``workers/process.py``), without the places that are kept for
urgent batches (``workers/dispatcher.py``)."""
_FULL, *_OTHERS = "worker-1", "worker-2", "worker-3"
_FILLS_WITHIN_S = 15.0
_KILLED_WITHIN_S = 3.0
"""Seconds within which the kill follows the reading of all campaigns, also on a busy machine."""
_OTHERS_READY_S = 6.0
"""The other workers, which have capacity and no work when the full worker dies."""


def plan() -> RunPlan:
    scenario = Scenario("full worker killed", (), validity_s=_VALIDITY_S, script=_kill_full_worker)
    options = TestbedOptions(workers=1 + len(_OTHERS), rates=_SENDERS)
    return RunPlan("full worker killed", [scenario], options, resends=True, measures=(FULL,), judges=(goes_on,))


def judge(begun: int, campaigns: int) -> ChaosFigure:
    """Fail unless the worker was full and more campaigns waited; otherwise the scenario proves nothing."""
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
    await asyncio.sleep(2)  # wake-ups for the remaining batches reach the worker's memory
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
