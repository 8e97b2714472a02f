"""*ledger full*: Redis uses more memory than its maxmemory in the middle of campaigns, until maxmemory is raised.

No new message may be sent while Redis is full. But results of pushes are recorded, stored reports are applied, and a
campaign can be cancelled. The reconcilers are frozen for a moment before, so that reports wait when Redis is full.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from callbacks.classifier import ReportClassifier
from callbacks.streams import BODY, REPORTS, unpack
from tests.chaos import process_faults
from tests.chaos.commands import CommandStuck, dispatch_until_ok
from tests.chaos.figure import ChaosFigure, at_most
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import LIMITED, SLOW, TOTAL_TIMEOUT_S, UNLIMITED
from tests.chaos.submitting import submit
from tests.chaos.testbed import REDIS, ChaosTestbed
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier, ReportEffect
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds

OPENED = "opened while the ledger is full"
UNRECORDED = "pushes without a recorded result while the ledger is full"
UNAPPLIED = "stored reports that are not applied while the ledger is full"
CANCELLED = "cancelled while the ledger is full, within"
GOES_ON = "sent again after maxmemory is raised, within"
_FULL_SHARE = 0.8
"""maxmemory as a share of the memory in use: Redis refuses scripts that need memory, even if others free memory."""
_FULL_S = 15.0
_RECONCILERS = ("reconciler-1", "reconciler-2")
_REPORTS_WAIT_S = 2.0
_CANCEL_WITHIN_S = 10.0
_SENT_WITHIN_S = 20.0
_TO_CANCEL = CampaignSpec(UNLIMITED, 40_000, rate_per_s=20)
"""A large campaign that has hardly begun, whose rows take most of the ledger's memory."""


def plan() -> RunPlan:
    campaigns = (CampaignSpec(LIMITED, 12_000), CampaignSpec(SLOW, 6_000))
    scenario = Scenario("ledger full", campaigns, validity_s=240, script=_fill)
    measures = (OPENED, UNRECORDED, UNAPPLIED, CANCELLED, GOES_ON)
    return RunPlan("ledger full", [scenario], is_light=True, resends=True, measures=measures)


def judge_opened(pending: int, pending_later: int) -> ChaosFigure:
    """Count the messages that were opened while Redis was full; without pending messages the figure does not hold."""
    if not pending:
        return ChaosFigure(OPENED, "nothing was pending", "0", False)
    return at_most(OPENED, pending - pending_later, 0)


def judge_reports(stored: int, unapplied: int) -> ChaosFigure:
    """Count the stored reports that are not applied; without stored reports the figure does not hold."""
    if not stored:
        return ChaosFigure(UNAPPLIED, "no report was stored", "0", False)
    return at_most(UNAPPLIED, unapplied, 0, why=[f"{stored:,} reports were stored"])


def judge_cancel(took_s: float) -> ChaosFigure:
    """Compare the time until the cancel succeeded with its limit."""
    return at_most(CANCELLED, round(took_s, 1), _CANCEL_WITHIN_S, unit=" s")


def judge_goes_on(took_s: float) -> ChaosFigure:
    """Compare the time until a message was sent again with its limit."""
    return at_most(GOES_ON, round(took_s, 1), _SENT_WITHIN_S, unit=" s")


async def _fill(testbed: ChaosTestbed) -> None:
    measured = testbed.events.measured
    to_cancel = await submit(testbed, _TO_CANCEL, name="to cancel", validity_s=240)
    testbed.events.cancelled.add(to_cancel)
    await asyncio.sleep(2)
    for name in _RECONCILERS:
        await process_faults.FROZEN.inject(testbed, name, 0.0)
    await asyncio.sleep(_REPORTS_WAIT_S)
    used = (await testbed.redis.info("memory"))["used_memory"]
    testbed.down.add(REDIS)  # no worker may send meanwhile
    testbed.log_action("redis: above its maxmemory")
    await testbed.redis.config_set("maxmemory", int(used * _FULL_SHARE))
    full_at = time.monotonic()
    pending, stored = await _count(testbed, MessageState.PENDING), await _stored_reports(testbed)
    for name in _RECONCILERS:
        await process_faults.FROZEN.recover(testbed, name, 0.0)
    measured.append(judge_cancel(await _cancel(testbed, to_cancel)))
    await asyncio.sleep(max(TOTAL_TIMEOUT_S + 1, full_at + _FULL_S - time.monotonic()))
    measured.append(judge_reports(len(stored), await _unapplied(testbed, stored)))
    measured.append(judge_opened(pending, await _count(testbed, MessageState.PENDING)))
    measured.append(at_most(UNRECORDED, await _count(testbed, MessageState.SENDING), 0))
    testbed.log_action("redis: maxmemory is raised")
    await testbed.redis.config_set("maxmemory", 0)
    testbed.down.discard(REDIS)
    measured.append(judge_goes_on(await _next_send_s(testbed)))
    await dispatch_until_ok(testbed, "cancel", to_cancel, "--yes", unless="cancelled")


async def _cancel(testbed: ChaosTestbed, campaign: CampaignId) -> float:
    began = time.monotonic()
    with suppress(CommandStuck):
        await dispatch_until_ok(testbed, "cancel", campaign, "--yes", within_s=_CANCEL_WITHIN_S)
        return time.monotonic() - began
    return float("inf")


async def _stored_reports(testbed: ChaosTestbed) -> list[DeliveryReport]:
    """Return the reports about our messages that wait in the stream."""
    classifier = ReportClassifier(CorrelationIds(testbed.stack.environment["DISPATCH_ID_KEY"].encode()), relaying=False)
    entries: Any = await testbed.redis.xrange(REPORTS)
    return classifier.classify(body for _, fields in entries for body in unpack(fields[BODY])).reports


async def _unapplied(testbed: ChaosTestbed, stored: list[DeliveryReport]) -> int:
    """Apply reports again; return how many reports changed a message or could not be applied."""
    try:
        return (await ReportApplier(testbed.redis).apply(stored)).count(ReportEffect.APPLIED)
    except RedisError:
        return len(stored)


async def _next_send_s(testbed: ChaosTestbed) -> float:
    began = time.monotonic()
    before = await _count(testbed, MessageState.PENDING)
    while time.monotonic() < began + _SENT_WITHIN_S + 1:
        with suppress(RedisError):
            if await _count(testbed, MessageState.PENDING) < before:
                return time.monotonic() - began
        await asyncio.sleep(0.2)
    return float("inf")


async def _count(testbed: ChaosTestbed, state: MessageState) -> int:
    campaigns = [campaign for campaign in testbed.campaigns if campaign not in testbed.events.cancelled]
    return sum([(await testbed.queries.campaign(campaign)).counts[state] for campaign in campaigns])
