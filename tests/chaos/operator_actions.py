"""Actions of people, scheduled like faults: pause, resume, change rates. The target is a sender."""

import time
from collections.abc import Sequence
from contextlib import suppress

from redis.exceptions import RedisError

from tests.chaos.commands import dispatch, dispatch_until_ok
from tests.chaos.fault import ChaosFault
from tests.chaos.settings import RATES
from tests.chaos.testbed import ChaosTestbed, Pause, RateChange, Span


async def _pause_campaign(testbed: ChaosTestbed, sender: str, _random: float) -> None:
    """Pause a campaign of the sender that is sending, unless Redis is away."""
    try:
        campaign = await testbed.sending_campaign(sender)
    except RedisError:
        return
    if campaign is None:
        return
    testbed.paused_campaigns[sender] = campaign
    command = await dispatch(testbed, "pause", campaign)
    if command.status == 0:
        testbed.events.campaign_pauses.setdefault(campaign, []).append(Pause(command.ended_s, asked_s=command.began_s))


async def _resume_campaign(testbed: ChaosTestbed, sender: str, _random: float) -> None:
    """Resume the paused campaign, also if the pause failed: the ledger may have paused it before the command failed."""
    if (campaign := testbed.paused_campaigns.pop(sender, None)) is None:
        return
    end_last(testbed.events.campaign_pauses.get(campaign, ()))
    await dispatch_until_ok(testbed, "resume", campaign, unless="running")


async def _pause_sender(testbed: ChaosTestbed, sender: str, _random: float) -> None:
    """Pause the sender when one of its campaigns is sending."""
    with suppress(RedisError):
        await testbed.sending_campaign(sender)
    command = await dispatch(testbed, "sender", "pause", sender, "--yes")
    if command.status == 0:
        testbed.events.sender_pauses.setdefault(sender, []).append(Pause(command.ended_s, asked_s=command.began_s))


async def _resume_sender(testbed: ChaosTestbed, sender: str, _random: float) -> None:
    end_last(testbed.events.sender_pauses.get(sender, ()))
    await dispatch_until_ok(testbed, "sender", "resume", sender, "--yes")


async def _change_rate(testbed: ChaosTestbed, sender: str, random_value: float) -> None:
    await _set_rate(testbed, sender, round(RATES[sender] * (0.4 + random_value)))


async def _restore_rate(testbed: ChaosTestbed, sender: str, _random: float) -> None:
    await _set_rate(testbed, sender, RATES[sender])


async def _set_rate(testbed: ChaosTestbed, sender: str, rate_per_s: float) -> None:
    change = RateChange(Span(time.time()), rate_per_s)
    testbed.events.rates[sender].append(change)
    change.span.end_s = (await dispatch_until_ok(testbed, "sender", "rate", sender, f"{rate_per_s:g}", "--yes")).ended_s


def end_last(spans: Sequence[Span]) -> None:
    """End the last span now, unless it has already ended."""
    if spans:
        spans[-1].end_s = min(spans[-1].end_s, time.time())


CAMPAIGN_PAUSED = ChaosFault("campaign paused", (2.0, 4.0), _pause_campaign, _resume_campaign)
SENDER_PAUSED = ChaosFault("sender paused", (2.0, 4.0), _pause_sender, _resume_sender)
RATE_CHANGED = ChaosFault("rate changed", (2.0, 5.0), _change_rate, _restore_rate)

OPERATOR_ACTIONS = (CAMPAIGN_PAUSED, SENDER_PAUSED, RATE_CHANGED)
