"""*many campaigns of one text*: some hundreds of campaigns of one template within half an hour."""

import asyncio
import time

from tests.chaos.figure import Figure
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import UNLIMITED
from tests.chaos.submitting import copy_campaign, submit
from tests.chaos.testbed import ChaosTestbed
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import CampaignState

NAME = "rate among many campaigns of one text"
_CAMPAIGNS = 500
_MESSAGES_OF_EACH = 2
_MEASURED = CampaignSpec(UNLIMITED, 8_000)
_TIMES = 2
"""Campaigns that are measured before and after; the quickest counts, because the machine may be busy."""
_VALIDITY_S = 300
_WITHIN_S = 90.0
MIN_SHARE = 0.75
"""Of the rate without the others. The promise is a constant cost; the rest is the noise of a busy machine."""


def plan() -> RunPlan:
    """Return the run."""
    scenario = Scenario("many campaigns of one text", (), validity_s=_VALIDITY_S, script=_crowd)
    return RunPlan("many campaigns of one text", [scenario], resends=True, measures=(NAME,))


def judge(alone_per_s: float, among_per_s: float) -> Figure:
    """Compare the rate among the campaigns with the rate without them."""
    share = among_per_s / alone_per_s if alone_per_s else 0.0
    return Figure(
        NAME,
        f"{share:.0%}",
        f"≥ {MIN_SHARE:.0%}",
        share >= MIN_SHARE,
        [f"{alone_per_s:,.0f}/s before, {among_per_s:,.0f}/s with {_CAMPAIGNS} other campaigns of the text"],
    )


async def _crowd(testbed: ChaosTestbed) -> None:
    alone_per_s, campaign = await _rate(testbed)
    plan = (await testbed.queries.campaign(campaign)).plan
    testbed.log_action(f"{_CAMPAIGNS} campaigns of one text begin")
    copies = await copy_campaign(testbed, plan, sender=UNLIMITED, count=_CAMPAIGNS, messages=_MESSAGES_OF_EACH)
    testbed.unwatched |= set(copies)
    await _finish(testbed, copies)
    testbed.log_action("the campaigns of one text have ended, or had their time")
    among_per_s, _ = await _rate(testbed)
    testbed.events.measured.append(judge(alone_per_s, among_per_s))


async def _rate(testbed: ChaosTestbed) -> tuple[float, CampaignId]:
    """Return the best rate of some campaigns, one after the other, and the last of them."""
    best = 0.0
    for _ in range(_TIMES):
        campaign = await submit(testbed, _MEASURED, name="measured", validity_s=_VALIDITY_S)
        await _finish(testbed, [campaign])
        view = await testbed.queries.campaign(campaign)
        end_ms = view.last_sent_ms if view.state is CampaignState.FINISHED else time.time() * 1000
        best = max(best, view.done / max(0.001, (end_ms - view.first_sent_ms) / 1000))
    return best, campaign


async def _finish(testbed: ChaosTestbed, campaigns: list[CampaignId]) -> None:
    until = time.monotonic() + _WITHIN_S
    for campaign in campaigns:
        while (await testbed.queries.campaign(campaign)).state is not CampaignState.FINISHED:
            if time.monotonic() > until:
                return
            await asyncio.sleep(0.1)
