"""One run: scenario after scenario on one stage, then the wait until everything is decided, then the evidence."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx
from redis.exceptions import RedisError

from callbacks.streams import REPORTS
from tests.chaos import mail
from tests.chaos.commands import CommandStuck
from tests.chaos.evidence import Evidence, gather
from tests.chaos.scenarios import Programme, Scenario
from tests.chaos.schedule import Lane, deal
from tests.chaos.stage import Span, Stage, until
from tests.chaos.watch import Watch
from times_dispatch.demo.redis_server import EmbeddedServerFailed
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.states import CampaignState, MessageState

_REPORTS_WITHIN_S = 60.0
_RESENT_WITHIN_S = 60.0
_SETTLED_AFTER_S = 30.0
"""So long after the end of its validity a campaign must be finished, and nothing of it in doubt."""


class RunFailed(Exception):
    """A run could not be played to its end, and why."""


Say = Callable[[str], None]


@dataclass(frozen=True)
class Played:
    """A scenario that is over."""

    scenario: Scenario
    span: Span
    campaigns: list[CampaignId]
    in_doubt: int
    """Messages that were in doubt when its campaigns had finished."""


@dataclass(frozen=True)
class Result:
    """A run that is over."""

    programme: Programme
    played: list[Played]
    evidence: Evidence


async def run(stage: Stage, programme: Programme, *, say: Say) -> Result:
    """Play a programme on a stage; raise ``RunFailed``, or ``ProcessFailed`` if something ended by itself."""
    await stage.open()
    watch = Watch(stage)
    looking = asyncio.create_task(watch.look_on())
    try:
        played = [await _play(stage, scenario, say) for scenario in programme.scenarios]
        await stage.background()
        await _all_reported(stage)
        if programme.resends:
            say("every report is in; sending again what is in doubt still")
            before = (await gather(stage, watch)).stories.values()
            stage.notes.reported_in_doubt = sum(story.comparison.undecided_in_books for story in before)
            await mail.resend(stage)
        else:
            say("every report is in; waiting for the end of the validity")
            await _validity_over(stage)
        await _finished(stage, list(stage.campaigns), within_s=_RESENT_WITHIN_S)
        await _all_reported(stage)
        return Result(programme, played, await gather(stage, watch))
    finally:
        watch.stop()
        await looking
        await stage.close()


async def _play(stage: Stage, scenario: Scenario, say: Say) -> Played:
    began_s = time.time()
    campaigns = await _strike_while_sending(stage, scenario)
    views = await _finished(stage, campaigns, within_s=60 * scenario.validity_m + _SETTLED_AFTER_S)
    span = Span(began_s, time.time())
    in_doubt = sum(view.counts[MessageState.IN_DOUBT] for view in views)
    codes = sum((Counter(view.codes) for view in views), Counter[str]())
    why = ", ".join(f"{name} {number:,}" for name, number in codes.most_common() if name.startswith("push:"))
    seconds = span.end_s - began_s
    say(f"{scenario.name}: {scenario.messages:,} messages in {seconds:.0f} s, {in_doubt:,} in doubt ({why or '-'})")
    return Played(scenario, span, campaigns, in_doubt)


async def _strike_while_sending(stage: Stage, scenario: Scenario) -> list[CampaignId]:
    """Submit the campaigns and, as soon as the first are being sent, let all lanes of faults come to their ends."""
    at_once = [mailing for mailing in scenario.mailings if not mailing.at_s]
    later = [mailing for mailing in scenario.mailings if mailing.at_s]
    try:
        async with asyncio.TaskGroup() as tasks:
            posts = [tasks.create_task(mail.post(stage, scenario, mailing)) for mailing in at_once]
        began_s = time.time()
        async with asyncio.TaskGroup() as tasks:
            posts += [tasks.create_task(mail.post(stage, scenario, mailing, began_s=began_s)) for mailing in later]
            for number, lane in enumerate(scenario.lanes):
                tasks.create_task(_drive(stage, lane, f"{stage.seed}/{scenario.name}/{number}", began_s))
    except ExceptionGroup as group:
        expected, unexpected = group.split((CommandStuck, EmbeddedServerFailed, httpx.HTTPError, RedisError))
        if unexpected or not expected:
            raise
        raise RunFailed(f"{scenario.name}: {', '.join(map(repr, expected.exceptions))}") from group
    return [post.result() for post in posts]


async def _drive(stage: Stage, lane: Lane, seed: str, began_s: float) -> None:
    for step in deal(lane, seed):
        await until(began_s + step.at_s)
        stage.note(f"{step.target}: {step.fault.name}")
        await step.fault.strike(stage, step.target, step.chance)
        await asyncio.sleep(step.lasts_s)
        await step.fault.heal(stage, step.target, step.chance)
        stage.note(f"{step.target}: over")


async def _finished(stage: Stage, campaigns: Sequence[CampaignId], *, within_s: float) -> list[CampaignView]:
    """Wait until campaigns have finished; if they do not in time that is a figure, not an error.

    Raises ``ProcessFailed`` when something has ended by itself: then nothing is left to wait for.
    """
    ends = time.monotonic() + within_s
    while True:
        stage.check()
        views = await _views(stage, campaigns)
        if all(view.state is CampaignState.FINISHED for view in views) or time.monotonic() > ends:
            return views
        await asyncio.sleep(0.2)


async def _validity_over(stage: Stage) -> None:
    """Wait until the campaigns' policies have decided what was in doubt."""
    while True:
        views = await _views(stage, list(stage.campaigns))
        doubtful = [view for view in views if view.counts[MessageState.IN_DOUBT]]
        if not doubtful:
            return
        if time.time() > max(view.plan.valid_until_ms for view in doubtful) / 1000 + _SETTLED_AFTER_S:
            return
        await asyncio.sleep(0.5)


async def _all_reported(stage: Stage) -> None:
    """Let the sandbox post all reports now, and wait until the ledger has them."""
    with suppress(httpx.TransportError):
        await stage.sandbox.post("/sandbox/flush", timeout=_REPORTS_WITHIN_S)
    ends = time.monotonic() + _REPORTS_WITHIN_S
    while time.monotonic() < ends:
        with suppress(RedisError):
            if not await stage.redis.xlen(REPORTS):
                return
        await asyncio.sleep(0.1)


async def _views(stage: Stage, campaigns: Sequence[CampaignId]) -> list[CampaignView]:
    """Read campaigns, however long Redis takes to come back."""
    while True:
        try:
            return [await stage.views.campaign(campaign) for campaign in campaigns]
        except RedisError:
            await asyncio.sleep(0.2)
