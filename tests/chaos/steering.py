"""What people do in the middle of it all: pause, resume, change rates. The target is a sender."""

import time
from collections.abc import Sequence

from redis.exceptions import RedisError

from tests.chaos.commands import dispatch, insist
from tests.chaos.fault import Fault
from tests.chaos.settings import RATES
from tests.chaos.stage import RateChange, Span, Stage


async def _pause_campaign(stage: Stage, sender: str, _chance: float) -> None:
    """Pause the sender's newest campaign, if Redis is there to say which that is."""
    try:
        campaign = await stage.running_campaign(sender)
    except RedisError:
        return
    if campaign is None:
        return
    stage.held[sender] = campaign
    ran = await dispatch(stage, "pause", campaign)
    if ran.status == 0:
        stage.notes.campaign_pauses.setdefault(campaign, []).append(Span(ran.ended_s))


async def _resume_campaign(stage: Stage, sender: str, _chance: float) -> None:
    """Resume what was paused; also what seemed not to be: the command may have failed after the ledger had done it."""
    if (campaign := stage.held.pop(sender, None)) is None:
        return
    end(stage.notes.campaign_pauses.get(campaign, ()))
    await insist(stage, "resume", campaign, unless="running")


async def _pause_sender(stage: Stage, sender: str, _chance: float) -> None:
    ran = await dispatch(stage, "sender", "pause", sender)
    if ran.status == 0:
        stage.notes.sender_pauses.setdefault(sender, []).append(Span(ran.ended_s))


async def _resume_sender(stage: Stage, sender: str, _chance: float) -> None:
    end(stage.notes.sender_pauses.get(sender, ()))
    await insist(stage, "sender", "resume", sender)


async def _change_rate(stage: Stage, sender: str, chance: float) -> None:
    await _set_rate(stage, sender, round(RATES[sender] * (0.4 + chance)))


async def _restore_rate(stage: Stage, sender: str, _chance: float) -> None:
    await _set_rate(stage, sender, RATES[sender])


async def _set_rate(stage: Stage, sender: str, rate_per_s: float) -> None:
    change = RateChange(Span(time.time()), rate_per_s)
    stage.notes.rates[sender].append(change)
    change.span.end_s = (await insist(stage, "sender", "rate", sender, f"{rate_per_s:g}")).ended_s


def end(spans: Sequence[Span]) -> None:
    """Let the last span end now, if it has not ended before."""
    if spans:
        spans[-1].end_s = min(spans[-1].end_s, time.time())


CAMPAIGN_PAUSED = Fault("campaign paused", (2.0, 4.0), _pause_campaign, _resume_campaign)
SENDER_PAUSED = Fault("sender paused", (2.0, 4.0), _pause_sender, _resume_sender)
RATE_CHANGED = Fault("rate changed", (2.0, 5.0), _change_rate, _restore_rate)

STEERING = (CAMPAIGN_PAUSED, SENDER_PAUSED, RATE_CHANGED)
