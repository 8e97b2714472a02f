"""*links process killed*: recipients click tracked links while the links process dies again and again.

Receiver and reconcilers die meanwhile too. Each recipient clicks up to three times, and tries again if there is no
answer. A click that was answered with a redirect must be counted, and no click twice.
"""

from tests.chaos import process_faults
from tests.chaos.figure import ChaosFigure
from tests.chaos.figures import ARRIVING
from tests.chaos.observations import Observations
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.schedule import FaultSequence
from tests.chaos.settings import LIMITED, SLOW
from tests.chaos.testbed import TestbedOptions

CLICKS = "clicks that were redirected, and lost or counted twice"
_MIN_REDIRECTS = 500
"""With fewer redirects the run proves little."""


def plan() -> RunPlan:
    killed, frozen, stopped = process_faults.KILLED, process_faults.FROZEN, process_faults.STOPPED
    scenario = Scenario(
        "links process killed",
        (CampaignSpec(LIMITED, 8_000), CampaignSpec(SLOW, 4_000)),
        (
            FaultSequence((killed, frozen, stopped), ("links",), until_s=28, pause_s=(2.5, 5)),
            FaultSequence((killed,), ("receiver", "reconciler-1", "reconciler-2"), until_s=24, pause_s=(1, 4)),
        ),
    )
    return RunPlan(
        "links process killed",
        [scenario],
        TestbedOptions(links=True),
        is_light=True,
        judges=(judge,),
        # The sandbox clicks too, and reads pushes late meanwhile.
        without=(ARRIVING,),
    )


def judge(observations: Observations) -> ChaosFigure:
    """Say whether each redirect was counted exactly once, and whether there were enough of them."""
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
