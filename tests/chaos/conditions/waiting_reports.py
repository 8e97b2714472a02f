"""*reconcilers away over the end of the validity*: reports are stored but not applied when upkeep decides about doubt.

Connections are reset after the provider accepted the pushes, so the messages are in doubt. Their reports wait in the
stream because no reconciler runs. The campaigns' policy is "resend": a delivered message must not be sent again.
"""

from callbacks.streams import REPORTS
from tests.chaos import process_faults, provider_faults
from tests.chaos.figure import ChaosFigure
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import LIMITED, SLOW
from tests.chaos.testbed import ChaosTestbed, until
from times_dispatch.ledger.states import MessageState

WAITED = "in doubt, their reports waiting, at the end of the validity"
_RECONCILERS = ("reconciler-1", "reconciler-2")
_VALIDITY_S = 30
_AWAY_AFTER_END_S = 15.0
_FLUSH_TIMEOUT_S = 30.0


def plan() -> RunPlan:
    campaigns = (CampaignSpec(LIMITED, 4_000, in_doubt="resend"), CampaignSpec(SLOW, 2_000, in_doubt="resend"))
    scenario = Scenario("reconcilers away", campaigns, validity_s=_VALIDITY_S, script=_go_away)
    return RunPlan("reconcilers away over the end of the validity", [scenario], is_light=True, measures=(WAITED,))


def judge(in_doubt: int, waiting: int) -> ChaosFigure:
    """Fail unless messages were in doubt and reports waited; otherwise the scenario proves nothing."""
    return ChaosFigure(WAITED, f"{in_doubt:,}, {waiting:,} reports", "some", in_doubt > 0 and waiting > 0)


async def _go_away(testbed: ChaosTestbed) -> None:
    faults = next(fault for fault in provider_faults.IN_DOUBT if fault.name == "connections reset after accepting")
    for name in _RECONCILERS:
        testbed.log_action(f"{name}: kill -9")
        await process_faults.KILLED.inject(testbed, name, 0.0)
    await faults.inject(testbed, "provider", 0.0)
    views = [await testbed.queries.campaign(campaign) for campaign in testbed.campaigns]
    ends_s = max(view.plan.valid_until_ms for view in views) / 1000
    await until(ends_s - 8)
    await faults.recover(testbed, "provider", 0.0)
    await testbed.sandbox.post("/sandbox/flush", timeout=_FLUSH_TIMEOUT_S)
    await until(min(view.plan.valid_until_ms for view in views) / 1000 - 1)
    in_doubt = [
        (await testbed.queries.campaign(campaign)).counts[MessageState.IN_DOUBT] for campaign in testbed.campaigns
    ]
    testbed.events.measured.append(judge(sum(in_doubt), await testbed.redis.xlen(REPORTS)))
    testbed.log_action("the validity ends")
    await until(ends_s + _AWAY_AFTER_END_S)
    for name in _RECONCILERS:
        await process_faults.KILLED.recover(testbed, name, 0.0)
        testbed.log_action(f"{name}: over")
