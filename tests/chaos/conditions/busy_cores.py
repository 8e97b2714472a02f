"""*busy cores*: other work keeps every core busy while two senders send at their rates.

A worker that is late must neither exceed the rate afterwards, nor leave a part of the rate unused.
"""

from tests.chaos.figure import ChaosFigure
from tests.chaos.observations import Observations
from tests.chaos.rate_use import least_used
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import LIMITED, RATES, SLOW

USED = "least of the rate that was used in 30 s"
MIN_USED = 0.97
_SECONDS = 30.0
_LASTS_S = 36


def plan() -> RunPlan:
    campaigns = tuple(CampaignSpec(sender, round(RATES[sender] * _LASTS_S)) for sender in (LIMITED, SLOW))
    scenario = Scenario("busy cores", campaigns)
    return RunPlan("busy cores", [scenario], is_busy=True, judges=(judge,))


def judge(observations: Observations) -> ChaosFigure:
    """Compare the 30 s in which the fewest messages of a sender arrived with the sender's rate."""
    shares = {
        sender: least_used(times_s, rate_per_s=RATES[sender], seconds=_SECONDS)
        for sender, times_s in observations.arrivals_s.items()
        if RATES.get(sender)
    }
    least = min(shares.values(), default=0.0)
    why = [f"{sender}: {share:.1%}" for sender, share in shares.items()]
    return ChaosFigure(USED, f"{least:.1%}", f"≥ {MIN_USED:.0%}", least >= MIN_USED, why, amount=-least)
