"""*many campaigns of one text*: several hundred campaigns of one template within half an hour."""

import asyncio
import time

from tests.chaos.figure import ChaosFigure
from tests.chaos.reports import wait_for_reports
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import UNLIMITED
from tests.chaos.submitting import copy_campaign, submit
from tests.chaos.testbed import ChaosTestbed
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import CampaignState

NAME = "work of Redis for a message, among many campaigns of its text"
_CAMPAIGNS = 500
_MESSAGES_OF_EACH = 2
_MEASURED = CampaignSpec(UNLIMITED, 8_000)
_TIMES = 2
"""How many campaigns are measured before and after the other campaigns; the campaign with the least work counts."""
_VALIDITY_S = 300
_WITHIN_S = 90.0
MAX_SHARE = 1.5
"""The limit of the work for a message, as a share of the work without the other campaigns. If the check for repeated
texts read each campaign, the work would be many times greater. The measure is processor time, because a rate depends on
the other work of the machine."""


def plan() -> RunPlan:
    scenario = Scenario("many campaigns of one text", (), validity_s=_VALIDITY_S, script=_crowd)
    return RunPlan("many campaigns of one text", [scenario], resends=True, measures=(NAME,))


def judge(alone_us: float, among_us: float) -> ChaosFigure:
    """Compare the processor time of Redis for a message, in microseconds, with and without the other campaigns."""
    share = among_us / alone_us if alone_us else float("inf")
    return ChaosFigure(
        NAME,
        f"{share:.0%}",
        f"≤ {MAX_SHARE:.0%}",
        share <= MAX_SHARE,
        [f"{alone_us:,.0f} µs before, {among_us:,.0f} µs with {_CAMPAIGNS} campaigns more of the text"],
    )


async def _crowd(testbed: ChaosTestbed) -> None:
    await _work_us(testbed, times=1)  # the first campaign of a text has no earlier messages to compare with
    alone_us, campaign = await _work_us(testbed)
    plan = (await testbed.queries.campaign(campaign)).plan
    testbed.log_action(f"{_CAMPAIGNS} campaigns of one text begin")
    copies = await copy_campaign(testbed, plan, sender=UNLIMITED, count=_CAMPAIGNS, messages=_MESSAGES_OF_EACH)
    testbed.unwatched |= set(copies)
    await _finish(testbed, copies)
    testbed.log_action("the campaigns of one text have ended, or had their time")
    among_us, _ = await _work_us(testbed)
    testbed.events.measured.append(judge(alone_us, among_us))


async def _work_us(testbed: ChaosTestbed, *, times: int = _TIMES) -> tuple[float, CampaignId]:
    """Send some campaigns; return the smallest processor time of Redis for a message, and the last of the campaigns."""
    least_us = float("inf")
    for _ in range(times):
        await wait_for_reports(testbed)  # the reports of earlier campaigns would be counted as work
        began_us = await _used_us(testbed)
        campaign = await submit(testbed, _MEASURED, name="measured", validity_s=_VALIDITY_S)
        await _finish(testbed, [campaign])
        least_us = min(least_us, (await _used_us(testbed) - began_us) / _MEASURED.messages)
    return least_us, campaign


async def _used_us(testbed: ChaosTestbed) -> float:
    used = await testbed.redis.info("cpu")
    return 1e6 * (float(used["used_cpu_user"]) + float(used["used_cpu_sys"]))


async def _finish(testbed: ChaosTestbed, campaigns: list[CampaignId]) -> None:
    until = time.monotonic() + _WITHIN_S
    for campaign in campaigns:
        while (await testbed.queries.campaign(campaign)).state is not CampaignState.FINISHED:
            if time.monotonic() > until:
                return
            await asyncio.sleep(0.1)
