"""*Redis slow*: for a long time, every answer of Redis takes from 0.05 to 0.5 seconds."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.chaos.figure import ChaosFigure
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import MAX_IN_FLIGHT, RATES, SLOW, UNLIMITED
from tests.chaos.testbed import ChaosTestbed, TestbedOptions
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import UNSENT
from workers.batch.timings import BatchTimings

_DELAYS_S = (0.5, 0.3, 0.2, 0.1, 0.05)
_STEP_S = 10.0
_SETTLES_WITHIN_S = 2.0
"""Seconds after a change of the delay in which sent messages are not counted."""
_BEGINS_WITHIN_S = 20.0
"""Seconds in which both campaigns begin, before Redis becomes slow: a start needs many calls and is not measured."""
_WORKERS = 2
_PUSH_S = 0.1
"""About the duration of a push and of the wait for a group of results, in seconds."""
_START_WITHIN_S = BatchTimings().start_within_s
"""Seconds from the last call about a block, within which the pushes of the block must begin."""
_MESSAGES = {UNLIMITED: 80_000, SLOW: 12_000}
"""More messages than can be sent in all steps."""
_IN_BATCHES_OUT = {UNLIMITED: 16_000, SLOW: 1_000}
"""With fewer messages left, no further batch is issued. Then all batches may be at one worker, and the messages that
the other worker could send are not expected."""


@dataclass(frozen=True)
class Step:
    """The messages of one sender that were sent during one delay of the answers."""

    sender: str
    delay_s: float
    messages: int
    seconds: float
    """The time in which the sender had enough messages for both workers."""


def plan() -> RunPlan:
    campaigns = tuple(CampaignSpec(sender, messages) for sender, messages in _MESSAGES.items())
    scenario = Scenario("Redis slow", campaigns, validity_s=600, script=_slow_down)
    names = tuple(_name(sender, delay_s) for sender in (UNLIMITED, SLOW) for delay_s in _DELAYS_S)
    return RunPlan("Redis slow", [scenario], TestbedOptions(wires=("",)), is_light=True, resends=True, measures=names)


def expected_per_s(sender: str, delay_s: float) -> float:
    """Return the most messages per second that two workers can send with this duration of each call.

    A message of a sender without a limit uses capacity of the worker during two calls (opening and recording) and its
    push. A block of a sender with a limit needs two calls if it must be confirmed (opening and confirmation). Messages
    are sent at the rate in the time that remains for the block's pushes after the second call.
    """
    rate = RATES[sender]
    if not rate:
        return _WORKERS * MAX_IN_FLIGHT / (2 * delay_s + _PUSH_S)
    return rate * min(1.0, (_START_WITHIN_S - delay_s) / (2 * delay_s))


def judge(step: Step) -> ChaosFigure:
    """Compare a step with a third of the messages that the round trips allow."""
    must_be = expected_per_s(step.sender, step.delay_s) / 3
    is_per_s = step.messages / step.seconds if step.seconds else 0.0
    return ChaosFigure(
        _name(step.sender, step.delay_s),
        f"{is_per_s:,.0f}/s",
        f"≥ {must_be:,.0f}/s",
        is_per_s >= must_be,
        [f"{step.messages:,} messages in {step.seconds:.1f} s"],
    )


async def _slow_down(testbed: ChaosTestbed) -> None:
    campaigns = list(testbed.campaigns)
    begins_by, at_first = time.monotonic() + _BEGINS_WITHIN_S, await _pending(testbed, campaigns)
    while time.monotonic() < begins_by:
        pending = await _pending(testbed, campaigns)
        if all(pending[campaign] < at_first[campaign] for campaign in campaigns):
            break
        await asyncio.sleep(0.05)
    for delay_s in _DELAYS_S:
        testbed.log_action(f"redis: each answer takes {delay_s:g} s")
        testbed.wires[""].change(delay_s=delay_s)
        await asyncio.sleep(_SETTLES_WITHIN_S)
        testbed.events.measured += [judge(step) for step in await _measure(testbed, campaigns, delay_s)]
    testbed.wires[""].change(delay_s=0.0)
    testbed.log_action("redis: over")


async def _measure(testbed: ChaosTestbed, campaigns: Sequence[CampaignId], delay_s: float) -> list[Step]:
    began = time.monotonic()
    before = await _pending(testbed, campaigns)
    steps = {campaign: Step(testbed.campaigns[campaign], delay_s, 0, 0.0) for campaign in campaigns}
    while time.monotonic() < began + _STEP_S:
        await asyncio.sleep(0.25)
        pending = await _pending(testbed, campaigns)
        for campaign, step in steps.items():
            if pending[campaign] >= _IN_BATCHES_OUT[step.sender]:
                messages, seconds = before[campaign] - pending[campaign], time.monotonic() - began
                steps[campaign] = replace(step, messages=messages, seconds=seconds)
    return list(steps.values())


async def _pending(testbed: ChaosTestbed, campaigns: Sequence[CampaignId]) -> dict[CampaignId, int]:
    views = [await testbed.queries.campaign(campaign) for campaign in campaigns]
    return {view.id: sum(view.counts[state] for state in UNSENT) for view in views}


def _name(sender: str, delay_s: float) -> str:
    limit = f"{RATES[sender]:g}/s" if RATES[sender] else "no limit"
    return f"sent with calls of {delay_s:g} s, {limit}"
