"""Runs a soak: load, viewers and faults for some minutes, and then the wait for the audit of the last campaign."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from callbacks.http.server import KEEP_ALIVE_S
from tests.chaos.commands import dispatch, dispatch_until_ok
from tests.chaos.monitor import cpu_waited_s
from tests.chaos.reports import wait_for_reports
from tests.chaos.testbed import ChaosTestbed, TestbedOptions
from tests.soak.audit import Audit, AuditTotals
from tests.soak.faults import RandomFaults
from tests.soak.load import Load
from tests.soak.sampling import Sampler, inbound_at_rest
from tests.soak.settings import LEASE_S, LIVE_S, RATES, VALIDITY_S, dispatch_toml, sandbox_options
from tests.soak.viewers import Viewers
from times_dispatch.ledger.model import CampaignId

_LATEST_CAMPAIGNS = 8
"""The number of newest campaigns from which viewers choose."""
_ENDS_WITHIN_S = VALIDITY_S + LIVE_S + 60.0
_IDLE_WITHIN_S = KEEP_ALIVE_S + 15.0
"""Clients close an idle connection after 5 to 30 s, servers after ``KEEP_ALIVE_S``."""
_PROGRESS_EVERY_S = 60.0
_ARCHIVE_KEY = "soak-archive-key-" + "0" * 15
_SHOWN = ("worker-1", "reconciler-1", "redis")
"""Processes whose memory is shown in the lines of progress."""
Progress = Callable[[str], None]


class SoakPlan(NamedTuple):
    """The duration and the load of a soak."""

    seconds: float
    seed: int
    rate_per_s: float = 200.0
    """Messages per second, over all campaigns."""
    viewers: int = 6
    scale: float = 1.0
    """The factor of the sizes in ``load.KINDS``."""


class SoakResult(NamedTuple):
    """The results of a soak."""

    plan: SoakPlan
    sampler: Sampler
    audit: AuditTotals
    uncompared: int
    """Campaigns that had not been compared with the books at the end."""
    accepted_ids: int
    """Distinct ids that the provider accepted, by the provider's books."""
    accepted_again: int
    """Ids that the provider accepted more than once, by the provider's books."""
    archives: str
    """The output of ``dispatch archive verify``."""
    archives_hold: bool
    recounted: int
    """Messages in Redis that ``dispatch stats --recount`` recounted at the end."""
    wrong_recounts: int
    inbound_at_rest: int
    """Connections that clients opened to our processes, and that are open although the clients are idle."""
    viewers: Viewers
    faults: int
    kills: int
    cpu_pressure: float
    """Share of the time in which some process of the machine waited for a CPU."""


def testbed(plan: SoakPlan, archive: Path) -> ChaosTestbed:
    """Return the processes of a soak; *archive* is the folder of the archive."""
    return ChaosTestbed(
        seed=plan.seed,
        lease_s=LEASE_S,
        options=TestbedOptions(
            rates=RATES,
            wires=("",),
            links=True,
            stack={
                "settings": dispatch_toml(archive),
                "sandbox": sandbox_options(plan.seed),
                "console": True,
                "metrics": True,
                "environment": {"DISPATCH_ARCHIVE_KEY": _ARCHIVE_KEY},
            },
        ),
    )


async def soak(testbed: ChaosTestbed, plan: SoakPlan, *, progress: Progress) -> SoakResult:
    """Run the soak; raise ``ProcessFailed`` if a process ended by itself, ``CommandStuck`` if a command hung."""
    await testbed.open()
    load = Load(testbed, rate_per_s=plan.rate_per_s, seed=plan.seed, scale=plan.scale)
    audit = Audit(testbed, load.submitted)
    faults = RandomFaults(testbed, seconds=plan.seconds, seed=plan.seed)
    sampler = Sampler(testbed)

    def newest() -> list[CampaignId]:
        return [campaign.id for campaign in load.submitted[-_LATEST_CAMPAIGNS:]]

    viewers = Viewers(testbed.stack, newest, count=plan.viewers, seed=plan.seed)
    try:
        async with asyncio.TaskGroup() as tasks:
            until_cancelled = [tasks.create_task(audit.run()), tasks.create_task(viewers.run())]
            until_stopped = [tasks.create_task(part.run()) for part in (load, faults, sampler)]
            began, waited_s = time.monotonic(), cpu_waited_s()
            while (passed_s := time.monotonic() - began) < plan.seconds:
                await asyncio.sleep(min(_PROGRESS_EVERY_S, plan.seconds - passed_s))
                progress(f"{(time.monotonic() - began) / 60:3.0f} min: {_line(load, audit, faults, viewers, sampler)}")
            for part in (load, faults, sampler):
                part.stop()
            await asyncio.wait(until_stopped)
            progress("no more campaigns; waiting until the last one is compared with the books")
            await wait_for_reports(testbed)
            ends = time.monotonic() + _ENDS_WITHIN_S
            while audit.waiting and time.monotonic() < ends:
                await asyncio.sleep(1.0)
            for task in until_cancelled:
                task.cancel()
        pressure = (cpu_waited_s() - waited_s) / (time.monotonic() - began)
        return await _result(
            testbed, plan, sampler=sampler, audit=audit, viewers=viewers, faults=faults, pressure=pressure
        )
    finally:
        await testbed.close()


async def _result(
    testbed: ChaosTestbed,
    plan: SoakPlan,
    *,
    sampler: Sampler,
    audit: Audit,
    viewers: Viewers,
    faults: RandomFaults,
    pressure: float,
) -> SoakResult:
    """Return the results at the end of a soak.

    Args:
        testbed: the processes.
        plan: the plan.
        sampler: the samples of the whole run.
        audit: the comparison of all campaigns.
        viewers: the viewers, whose task has ended.
        faults: the injected faults.
        pressure: the share of the time in which some process of the machine waited for a CPU.
    """
    async with httpx.AsyncClient(base_url=testbed.stack.sandbox_url, timeout=60, trust_env=False) as client:
        books: dict[str, Any] = (await client.get("/sandbox/books")).json()["all"]
    servers = [process.pid for name, process in testbed.stack.processes.items() if name != "sandbox" and process.pid]
    held = await inbound_at_rest(servers, within_s=_IDLE_WITHIN_S)
    verified = await dispatch(testbed, "archive", "verify")
    recount = json.loads((await dispatch_until_ok(testbed, "stats", "--recount", "--json")).output)
    return SoakResult(
        plan=plan,
        sampler=sampler,
        audit=audit.totals,
        uncompared=len(audit.waiting),
        accepted_ids=books["distinct_ids"],
        accepted_again=books["repeated_ids"]["count"],
        archives=(verified.output or verified.errors).strip(),
        archives_hold=verified.status == 0,
        recounted=recount["messages"],
        wrong_recounts=len(recount["differences"]) + len(recount["moving"]),
        inbound_at_rest=held,
        viewers=viewers,
        faults=faults.injected,
        kills=sum("kill -9" in action for _, action in testbed.events.actions),
        cpu_pressure=pressure,
    )


def _line(load: Load, audit: Audit, faults: RandomFaults, viewers: Viewers, sampler: Sampler) -> str:
    """Return a line that shows the progress of a soak.

    Args:
        load: the submitted campaigns.
        audit: the comparison of all campaigns.
        faults: the injected faults.
        viewers: the viewers.
        sampler: the samples.
    """
    totals = audit.totals
    messages = sum(campaign.messages for campaign in load.submitted)
    memory_mb = {name: samples[-1].pss_mb for name, samples in sampler.processes.items() if name in _SHOWN}
    keys = sampler.redis["keys"][-1][1] if sampler.redis["keys"] else 0.0
    return (
        f"{len(load.submitted):,} campaigns, {messages:,} messages, {faults.injected} faults, "
        f"{viewers.events:,} events; compared {totals.campaigns:,}: {totals.accepted_twice} twice, {totals.lost} lost, "
        f"{totals.not_sent} not sent, {totals.differences} differences, {totals.wrong_clicks} of {totals.clicks:,} "
        f"clicks wrong, {totals.unseen} unseen; {keys:,.0f} keys, "
        f"{', '.join(f'{name} {size:.0f}' for name, size in memory_mb.items())} MB"
    )
