from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, plan
from times_dispatch.ledger.campaigns.summary import progress_line
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import CampaignState, MessageState


def _view(state: CampaignState = CampaignState.RUNNING, reason: str = "", **counts: int) -> CampaignView:
    filled = {message_state: counts.get(message_state.label, 0) for message_state in MessageState}
    return CampaignView(
        id=CAMPAIGN,
        state=state,
        reason=reason,
        plan=plan(),
        total=sum(counts.values()),
        batches=1,
        counts=filled,
        codes={},
        parts=0,
        stats={},
        created_ms=0,
        sealed_ms=0,
        first_sent_ms=0,
        last_sent_ms=0,
        finished_ms=0,
    )


@pytest.mark.parametrize(
    ("view", "rate_per_s", "text"),
    [
        (
            _view(pending=30_000, accepted=29_997, failed=1, rejected=2),
            812.4,
            "30,000/60,000 sent (50 %), 3 failed, 812/s, 00:00:37 left",
        ),
        (_view(pending=3), 0.0, "0/3 sent (0 %)"),
        (_view(pending=1, sending=1, accepted=998), 0.0, "998/1,000 sent (99 %)"),
        (_view(in_doubt=2, delivered=5), 100.0, "7/7 sent (100 %), 2 in doubt, 5 delivered"),
        (
            _view(CampaignState.FINISHED, delivered=1_200, no_report=3),
            100.0,
            "1,203/1,203 sent (100 %), 1,200 delivered, finished",
        ),
        (
            _view(CampaignState.CANCELLED, cancelled=9, delivered=1),
            0.0,
            "1/10 sent (10 %), 1 delivered, 9 cancelled, cancelled",
        ),
        (
            _view(CampaignState.FINISHED, expired=2, suppressed=1, accepted=1),
            0.0,
            "1/4 sent (25 %), 1 suppressed, 2 expired, finished",
        ),
        (_view(CampaignState.PAUSED, "lunch", pending=2), 50.0, "0/2 sent (0 %), paused, lunch"),
        (_view(reason="the sender is paused", pending=2), 0.0, "0/2 sent (0 %), the sender is paused"),
        (_view(CampaignState.FINISHED), 0.0, "0/0 sent (100 %), finished"),
    ],
)
def test_a_line_says_how_far_a_campaign_is(view: CampaignView, rate_per_s: float, text: str) -> None:
    assert progress_line(view, rate_per_s) == text


@pytest.mark.parametrize(
    ("rate_per_s", "left"),
    [(1_000.0, "00:00:01"), (100 / 6, "00:01:00"), (1 / 3.6, "01:00:00"), (0.001, "27:46:40"), (1e-9, "99:59:59")],
)
def test_the_time_left_is_a_clock_that_ends_before_a_hundred_hours(rate_per_s: float, left: str) -> None:
    pending: dict[str, Any] = {"pending": 100 if rate_per_s == 0.001 else 1_000}
    assert progress_line(_view(**pending), rate_per_s).endswith(f"{left} left")
