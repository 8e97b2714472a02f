"""*sender in lanes*: a sender with four lanes sends while workers and reconcilers are killed."""

from types import MappingProxyType

from tests.chaos import process_faults
from tests.chaos.figure import ChaosFigure
from tests.chaos.observations import Observations
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.schedule import FaultSequence
from tests.chaos.settings import LIMITED, RATES
from tests.chaos.testbed import TestbedOptions

LANES = 4
NAME = "campaigns that are in all lanes"
_WORKERS = ("worker-1", "worker-2")
_OTHERS = ("reconciler-1", "reconciler-2", "beat")
_SECONDS = 20
"""How long the campaigns take without faults, in seconds."""


def plan() -> RunPlan:
    messages = round(RATES[LIMITED]) * _SECONDS
    killed = process_faults.KILLED
    scenario = Scenario(
        "sender in lanes",
        (CampaignSpec(LIMITED, messages * 3 // 4), CampaignSpec(LIMITED, messages // 4, at_s=3)),
        (
            FaultSequence((killed,), _WORKERS, until_s=_SECONDS, pause_s=(4, 8)),
            FaultSequence((killed,), _OTHERS, until_s=_SECONDS, first_s=2, pause_s=(2, 6)),
        ),
    )
    options = TestbedOptions(
        rates=MappingProxyType({LIMITED: RATES[LIMITED]}), lanes=MappingProxyType({LIMITED: LANES})
    )
    return RunPlan("sender in lanes", [scenario], options, judges=(in_all_lanes,))


def in_all_lanes(observations: Observations) -> ChaosFigure:
    """Fail unless the campaigns were spread over the lanes: each lane must have a part of each campaign."""
    lanes = [[lane.total for lane in outcome.view.lanes] for outcome in observations.campaigns.values()]
    return judge(lanes)


def judge(lanes: list[list[int]]) -> ChaosFigure:
    """Count the campaigns that have messages in all lanes."""
    whole = sum(len(of_campaign) == LANES and min(of_campaign) > 0 for of_campaign in lanes)
    why = [f"messages in the lanes: {of_campaign}" for of_campaign in lanes]
    return ChaosFigure(NAME, f"{whole} of {len(lanes)}", "all", whole == len(lanes) > 0, why)
