"""*links process killed*: recipients click tracked links while the links process is killed several times.

Receiver and reconcilers are killed too, and Redis freezes shortly before some of the kills. Each recipient clicks up to
three times, and repeats a click without an answer. Each click that was answered with a redirect must be counted exactly
once.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

import httpx

from tests.chaos import process_faults, redis_faults
from tests.chaos.fault import ChaosFault
from tests.chaos.figure import ChaosFigure
from tests.chaos.figures import ARRIVING
from tests.chaos.observations import Observations
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.schedule import FaultSequence
from tests.chaos.settings import LIMITED, SLOW
from tests.chaos.testbed import REDIS, ChaosTestbed, TestbedOptions

CLICKS = "clicks that were redirected, and lost or counted twice"
_ANSWERS_WITHIN_S = 20.0
_ANSWERS_FOR_S = 0.7
"""How long the links process answers clicks before the next fault, in seconds."""
_MIN_REDIRECTS = 500
"""The number of redirects that a run needs in order to prove something."""


async def _kill_while_redis_is_frozen(testbed: ChaosTestbed, name: str, random_value: float) -> None:
    """Kill a process while clicks wait to be stored; a click that was answered before it was stored is lost."""
    await redis_faults.FROZEN.inject(testbed, REDIS, random_value)
    await asyncio.sleep(0.5 + random_value)
    await process_faults.KILLED.inject(testbed, name, random_value)


async def _thaw_redis_and_start(testbed: ChaosTestbed, name: str, random_value: float) -> None:
    await redis_faults.FROZEN.recover(testbed, REDIS, random_value)
    await process_faults.KILLED.recover(testbed, name, random_value)


_KILLED_WHILE_FROZEN = ChaosFault(
    "kill -9 while Redis is frozen", (0.1, 0.5), _kill_while_redis_is_frozen, _thaw_redis_and_start
)


def _while_it_answers(fault: ChaosFault) -> ChaosFault:
    """Return a fault that is injected after the links process has answered clicks for a while."""

    async def inject(testbed: ChaosTestbed, name: str, random_value: float) -> None:
        ends = time.monotonic() + _ANSWERS_WITHIN_S
        async with httpx.AsyncClient(base_url=testbed.stack.links_url, timeout=2, trust_env=False) as client:
            while time.monotonic() < ends:
                with suppress(httpx.TransportError):
                    if (await client.get("/ready")).status_code == httpx.codes.OK:
                        break
                await asyncio.sleep(0.1)
        await asyncio.sleep(_ANSWERS_FOR_S)
        await fault.inject(testbed, name, random_value)

    return replace(fault, inject=inject)


def plan() -> RunPlan:
    killed, frozen, stopped = process_faults.KILLED, process_faults.FROZEN, process_faults.STOPPED
    faults = tuple(map(_while_it_answers, (killed, _KILLED_WHILE_FROZEN, frozen, _KILLED_WHILE_FROZEN, stopped)))
    scenario = Scenario(
        "links process killed",
        (CampaignSpec(LIMITED, 8_000), CampaignSpec(SLOW, 4_000)),
        (
            FaultSequence(faults, ("links",), until_s=28, pause_s=(0.5, 2)),
            FaultSequence((killed,), ("receiver", "reconciler-1", "reconciler-2"), until_s=24, pause_s=(1, 4)),
        ),
    )
    return RunPlan(
        "links process killed",
        [scenario],
        TestbedOptions(links=True),
        is_light=True,
        judges=(judge,),
        # The sandbox also makes the clicks, and therefore reads pushes late.
        without=(ARRIVING,),
    )


def judge(observations: Observations) -> ChaosFigure:
    """Compare redirects with counted clicks: each must be counted once, and there must be enough redirects."""
    visits = {campaign: outcome.visits for campaign, outcome in observations.campaigns.items() if outcome.visits}
    redirects = sum(len(each.answered) for each in visits.values())
    unanswered = sum(len(each.counted - each.answered) for each in visits.values())
    wrong = {campaign: (len(each.lost), each.counted_twice) for campaign, each in visits.items()}
    bad = sum(lost + abs(twice) for lost, twice in wrong.values())
    why = [
        f"{campaign}: {lost} lost, {twice} counted twice" for campaign, (lost, twice) in wrong.items() if lost or twice
    ]
    if redirects < _MIN_REDIRECTS:
        why.append(f"only {redirects} redirects")
    return ChaosFigure(
        CLICKS,
        f"{bad:,} of {redirects:,} (and {unanswered:,} whose answer was lost)",
        f"0 of ≥ {_MIN_REDIRECTS}",
        bad == 0 and redirects >= _MIN_REDIRECTS,
        why,
        amount=bad,
    )
