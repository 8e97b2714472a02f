"""*clock back and forward*: the clock of the Redis process jumps, while a worker dies."""

import asyncio
from pathlib import Path

from tests.chaos import process_faults
from tests.chaos.figure import ChaosFigure, at_most
from tests.chaos.figures import LOST_WORKERS, SENT_IN_A_SECOND
from tests.chaos.goes_on import goes_on, note_kill
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import LIMITED, SLOW, UNLIMITED
from tests.chaos.submitting import submit
from tests.chaos.testbed import ChaosTestbed, TestbedOptions
from workers.batch.batch_run import BatchEnd

_FORWARD_S = 600.0
"""A jump beyond the end of the validity of the campaigns, in seconds."""
_BACK_S = -90.0
_VALIDITY_S = 180
_KILLED, _ALIVE = "worker-1", "worker-2"
_NOTICES_WITHIN_S = 5.0
"""A worker renews its leases within this time, and notices then which leases it has lost."""
LEASES_LOST = "leases that a live worker lost to a jump of the clock"


def plan() -> RunPlan:
    """Return the run.

    The send times in the ledger are not comparable while its clock jumps. The leases of the dead worker end at once if
    the clock is set back, so the messages that the worker had open cannot be counted.
    """
    campaigns = CampaignSpec(LIMITED, 10_000), CampaignSpec(SLOW, 5_000)
    scenario = Scenario("clock back and forward", campaigns, validity_s=_VALIDITY_S, script=_jump)
    return RunPlan(
        "clock back and forward",
        [scenario],
        TestbedOptions(fakes_clock=True),
        is_light=True,
        resends=True,
        measures=(LEASES_LOST,),
        judges=(goes_on,),
        without=(SENT_IN_A_SECOND, LOST_WORKERS),
    )


def judge(log: Path) -> ChaosFigure:
    """Count, in the logs of the workers, the batches that a worker ended because another worker took the lease."""
    return at_most(LEASES_LOST, log.read_text("utf-8", "replace").count(f'"ended":"{BatchEnd.LEASE_LOST}"'), 0)


async def _jump(testbed: ChaosTestbed) -> None:
    clock = testbed.clock
    assert clock
    await asyncio.sleep(4)
    testbed.log_action(f"redis: the clock jumps {_FORWARD_S:g} s forward")
    clock.set(_FORWARD_S)
    await asyncio.sleep(8)
    testbed.log_action("redis: the clock is right")
    clock.set(0)
    for _ in range(4):
        spec = CampaignSpec(UNLIMITED, 800, rate_per_s=20)
        await submit(testbed, spec, name="clock back", validity_s=_VALIDITY_S)
    await asyncio.sleep(3)
    testbed.log_action(f"redis: the clock jumps {-_BACK_S:g} s back")
    clock.set(_BACK_S)
    await asyncio.sleep(2)
    await note_kill(testbed, _KILLED)
    await process_faults.KILLED.inject(testbed, _KILLED, 0.0)
    await asyncio.sleep(25)
    await process_faults.KILLED.recover(testbed, _KILLED, 0.0)
    clock.set(0)
    testbed.log_action("redis: the clock is right")
    await asyncio.sleep(_NOTICES_WITHIN_S)
    testbed.events.measured.append(judge(testbed.process(_ALIVE).log))
