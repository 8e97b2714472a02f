"""*ledger full*: Redis reaches its maxmemory in the middle of campaigns, until a person cancels or makes room."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from callbacks.streams import REPORTS
from tests.chaos.commands import CommandStuck, dispatch_until_ok
from tests.chaos.figure import Figure, at_most
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import LIMITED, SLOW, UNLIMITED
from tests.chaos.submitting import submit
from tests.chaos.testbed import REDIS, ChaosTestbed
from times_dispatch.ledger.model import CampaignId

CANCELLED = "cancelled while the ledger is full, within"
APPLIED = "oldest report that waits while the ledger is full"
GOES_ON_AFTER_CANCEL = "sent again after the cancel, still at maxmemory, within"
_FULL_S = 15.0
_CANCEL_WITHIN_S = 10.0
_OLDEST_WAITS_S = 10.0
_SENT_WITHIN_S = 20.0
_TO_CANCEL = CampaignSpec(UNLIMITED, 40_000, rate_per_s=20)
"""Large, and hardly begun: its rows are most of what the ledger holds."""


def plan() -> RunPlan:
    """Return the run."""
    campaigns = (CampaignSpec(LIMITED, 12_000), CampaignSpec(SLOW, 6_000))
    scenario = Scenario("ledger full", campaigns, validity_s=240, script=_fill)
    return RunPlan(
        "ledger full", [scenario], is_light=True, resends=True, measures=(CANCELLED, APPLIED, GOES_ON_AFTER_CANCEL)
    )


def judge_cancel(took_s: float) -> Figure:
    """Compare the time until the cancel succeeded."""
    return at_most(CANCELLED, round(took_s, 1), _CANCEL_WITHIN_S, unit=" s")


def judge_reports(oldest_s: float) -> Figure:
    """Compare the age of the oldest report that nobody has applied."""
    return at_most(APPLIED, round(oldest_s, 1), _OLDEST_WAITS_S, unit=" s")


def judge_goes_on(took_s: float) -> Figure:
    """Compare the time until something was sent again without more memory."""
    return at_most(GOES_ON_AFTER_CANCEL, round(took_s, 1), _SENT_WITHIN_S, unit=" s")


async def _fill(testbed: ChaosTestbed) -> None:
    measured = testbed.events.measured
    to_cancel = await submit(testbed, _TO_CANCEL, name="to cancel", validity_s=240)
    testbed.events.cancelled.add(to_cancel)
    await asyncio.sleep(4)
    used = (await testbed.redis.info("memory"))["used_memory"]
    testbed.down.add(REDIS)  # nobody must send meanwhile
    testbed.log_action("redis: at its maxmemory")
    await testbed.redis.config_set("maxmemory", used - 1)
    await asyncio.sleep(_FULL_S)
    measured.append(judge_reports(await _oldest_report_s(testbed)))
    measured.append(judge_cancel(await _cancel(testbed, to_cancel)))
    measured.append(judge_goes_on(await _next_send_s(testbed)))
    testbed.log_action("redis: maxmemory is raised")
    await testbed.redis.config_set("maxmemory", 0)
    testbed.down.discard(REDIS)
    await dispatch_until_ok(testbed, "cancel", to_cancel, unless="cancelled")


async def _cancel(testbed: ChaosTestbed, campaign: CampaignId) -> float:
    began = time.monotonic()
    with suppress(CommandStuck):
        await dispatch_until_ok(testbed, "cancel", campaign, within_s=_CANCEL_WITHIN_S)
        return time.monotonic() - began
    return float("inf")


async def _oldest_report_s(testbed: ChaosTestbed) -> float:
    seconds, _ = await testbed.redis.time()
    oldest: Any = await testbed.redis.xrange(REPORTS, count=1)
    return float(seconds) - int(oldest[0][0].partition(b"-")[0]) / 1000 if oldest else 0.0


async def _next_send_s(testbed: ChaosTestbed) -> float:
    began = time.monotonic()
    before = await _unsent(testbed)
    while time.monotonic() < began + _SENT_WITHIN_S + 1:
        with suppress(RedisError):
            if await _unsent(testbed) < before:
                return time.monotonic() - began
        await asyncio.sleep(0.2)
    return float("inf")


async def _unsent(testbed: ChaosTestbed) -> int:
    campaigns = [campaign for campaign in testbed.campaigns if campaign not in testbed.events.cancelled]
    return sum([(await testbed.queries.campaign(campaign)).unsent for campaign in campaigns])
