"""Runs scenarios one after another, waits until every message has a final state, and collects the observations."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
from redis.exceptions import RedisError

from tests.chaos import submitting
from tests.chaos.commands import CommandStuck
from tests.chaos.monitor import Monitor
from tests.chaos.observations import Observations, collect
from tests.chaos.reports import wait_for_reports
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.schedule import FaultSequence, schedule
from tests.chaos.testbed import ChaosTestbed, Span, until
from times_dispatch.demo.redis_server import EmbeddedServerFailed
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.states import CampaignState, MessageState

_RESEND_TIMEOUT_S = 60.0
_SETTLE_TIMEOUT_S = 30.0
"""Seconds after the end of its validity within which a campaign must finish, with no message in doubt."""


class ChaosRunFailed(Exception):
    """A run could not be completed; the message says why."""


Progress = Callable[[str], None]


@dataclass(frozen=True)
class FinishedScenario:
    """The result of a scenario."""

    scenario: Scenario
    span: Span
    campaigns: list[CampaignId]
    in_doubt: int
    """Number of messages in doubt when the campaigns had finished."""


@dataclass(frozen=True)
class ChaosResult:
    """The result of a run."""

    plan: RunPlan
    finished: list[FinishedScenario]
    observations: Observations


async def run(testbed: ChaosTestbed, plan: RunPlan, *, progress: Progress) -> ChaosResult:
    """Run all scenarios of a plan; raise ``ChaosRunFailed``, or ``ProcessFailed`` if a process ended by itself."""
    await testbed.open()
    monitor = Monitor(testbed)
    monitoring = asyncio.create_task(monitor.run())
    try:
        finished = [await _run_scenario(testbed, scenario, progress) for scenario in plan.scenarios]
        await testbed.wait_for_background()
        await wait_for_reports(testbed)
        if plan.resends:
            progress("all reports have arrived; sending messages in doubt again")
            before = (await collect(testbed, monitor, recounts=False)).campaigns.values()
            testbed.events.reported_in_doubt = sum(outcome.comparison.undecided_in_books for outcome in before)
            await submitting.resend(testbed)
        else:
            progress("all reports have arrived; waiting for the end of the validity")
            await _wait_for_end_of_validity(testbed)
        await _wait_until_finished(testbed, list(testbed.campaigns), within_s=_RESEND_TIMEOUT_S)
        await wait_for_reports(testbed)
        return ChaosResult(plan, finished, await collect(testbed, monitor))
    finally:
        monitor.stop()
        await monitoring
        await testbed.close()


async def _run_scenario(testbed: ChaosTestbed, scenario: Scenario, progress: Progress) -> FinishedScenario:
    began_s = time.time()
    earlier = set(testbed.campaigns)
    await _submit_and_inject(testbed, scenario)
    campaigns = [campaign for campaign in testbed.campaigns if campaign not in earlier]
    views = await _wait_until_finished(testbed, campaigns, within_s=scenario.validity_s + _SETTLE_TIMEOUT_S)
    span = Span(began_s, time.time())
    in_doubt = sum(view.counts[MessageState.IN_DOUBT] for view in views)
    codes = sum((Counter(view.codes) for view in views), Counter[str]())
    why = ", ".join(f"{name} {number:,}" for name, number in codes.most_common() if name.startswith("push:"))
    seconds = span.end_s - began_s
    messages = sum(testbed.sent[campaign] for campaign in campaigns)
    progress(f"{scenario.name}: {messages:,} messages in {seconds:.0f} s, {in_doubt:,} in doubt ({why or '-'})")
    return FinishedScenario(scenario, span, campaigns, in_doubt)


async def _submit_and_inject(testbed: ChaosTestbed, scenario: Scenario) -> None:
    """Submit the campaigns; after the first submits, inject all sequences of faults, and wait for their end."""
    at_once = [spec for spec in scenario.campaigns if not spec.at_s]
    later = [spec for spec in scenario.campaigns if spec.at_s]
    try:
        async with asyncio.TaskGroup() as tasks:
            for spec in at_once:
                tasks.create_task(_submit(testbed, scenario, spec))
        began_s = time.time()
        async with asyncio.TaskGroup() as tasks:
            for spec in later:
                tasks.create_task(_submit(testbed, scenario, spec, began_s))
            if scenario.script:
                tasks.create_task(scenario.script(testbed))
            for number, sequence in enumerate(scenario.fault_sequences):
                tasks.create_task(_inject(testbed, sequence, f"{testbed.seed}/{scenario.name}/{number}", began_s))
    except ExceptionGroup as group:
        expected, unexpected = group.split((CommandStuck, EmbeddedServerFailed, httpx.HTTPError, RedisError))
        if unexpected or not expected:
            raise
        raise ChaosRunFailed(f"{scenario.name}: {', '.join(map(repr, expected.exceptions))}") from group


async def _submit(testbed: ChaosTestbed, scenario: Scenario, spec: CampaignSpec, began_s: float = 0.0) -> None:
    name, validity_s = scenario.name, scenario.validity_s
    await submitting.submit(testbed, spec, name=name, validity_s=validity_s, began_s=began_s)


async def _inject(testbed: ChaosTestbed, sequence: FaultSequence, seed: str, began_s: float) -> None:
    for scheduled in schedule(sequence, seed):
        await until(began_s + scheduled.at_s)
        testbed.log_action(f"{scheduled.target}: {scheduled.fault.name}")
        await scheduled.fault.inject(testbed, scheduled.target, scheduled.random_value)
        await asyncio.sleep(scheduled.duration_s)
        await scheduled.fault.recover(testbed, scheduled.target, scheduled.random_value)
        testbed.log_action(f"{scheduled.target}: over")


async def _wait_until_finished(
    testbed: ChaosTestbed, campaigns: Sequence[CampaignId], *, within_s: float
) -> list[CampaignView]:
    """Wait until campaigns have finished, or until the time limit; unfinished campaigns make a figure fail.

    Raises ``ProcessFailed`` if a process has ended by itself.
    """
    ends = time.monotonic() + within_s
    while True:
        testbed.check()
        views = await _views(testbed, campaigns)
        cancelled = testbed.events.cancelled
        is_over = all(view.state is CampaignState.FINISHED or view.id in cancelled for view in views)
        if is_over or time.monotonic() > ends:
            return views
        await asyncio.sleep(0.2)


async def _wait_for_end_of_validity(testbed: ChaosTestbed) -> None:
    """Wait until the campaigns' policies have decided the messages in doubt."""
    while True:
        views = await _views(testbed, list(testbed.campaigns))
        in_doubt = [view for view in views if view.counts[MessageState.IN_DOUBT]]
        if not in_doubt:
            return
        if time.time() > max(view.plan.valid_until_ms for view in in_doubt) / 1000 + _SETTLE_TIMEOUT_S:
            return
        await asyncio.sleep(0.5)


async def _views(testbed: ChaosTestbed, campaigns: Sequence[CampaignId]) -> list[CampaignView]:
    """Read campaigns; repeat the calls while Redis is away."""
    by_sender: defaultdict[str, list[CampaignId]] = defaultdict(list)
    for campaign in campaigns:
        by_sender[testbed.campaigns[campaign]].append(campaign)
    while True:
        try:
            return [
                view
                for sender, ids in by_sender.items()
                for view in await testbed.queries.of_sender(SenderId(sender), ids)
            ]
        except RedisError:
            await asyncio.sleep(0.2)
