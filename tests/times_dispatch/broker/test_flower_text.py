from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, plan
from times_dispatch.broker.flower_text import row_state, row_text
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


LONG_REASON = "the sender is paused: wrong price in the offer"


@pytest.mark.parametrize(
    ("view", "rate_per_s", "text"),
    [
        (
            _view(pending=30_000, accepted=29_997, failed=1, rejected=2),
            812.4,
            "running · 50 % · 812/s · 37 s left · 30,000 of 60,000 sent · 2 rejected · 1 failed",
        ),
        (_view(pending=3), 0.0, "running · 0 % · 0 of 3 sent"),
        (_view(CampaignState.PAUSED, "wrong price", pending=2), 50.0, "paused: wrong price · 0 % · 0 of 2 sent"),
        (_view(CampaignState.PAUSED, pending=2), 0.0, "paused · 0 % · 0 of 2 sent"),
        (_view(reason="starts at 18:00", pending=2), 0.0, "waiting: starts at 18:00 · 0 % · 0 of 2 sent"),
        (
            _view(reason="sending through b", pending=10, accepted=10),
            5.0,
            "running: sending through b · 50 % · 5/s · 2 s left · 10 of 20 sent",
        ),
        (
            _view(CampaignState.FINISHED, delivered=1_200, no_report=3),
            100.0,
            "finished · 100 % · 1,203 of 1,203 sent · 1,200 delivered",
        ),
        (_view(CampaignState.FINISHED), 0.0, "finished · 100 % · 0 of 0 sent"),
        (
            _view(CampaignState.FINISHED, suppressed=1, accepted=1),
            0.0,
            "finished · 50 % · 1 of 2 sent · 1 suppressed",
        ),
        (
            _view(CampaignState.FINISHED, expired=2, rejected=1, accepted=1),
            0.0,
            "failed: 2 expired · 50 % · 2 of 4 sent · 1 rejected · 2 expired",
        ),
        (
            _view(CampaignState.CANCELLED, cancelled=9, in_doubt=1),
            0.0,
            "cancelled · 10 % · 1 of 10 sent · 1 in doubt · 9 cancelled",
        ),
        (
            _view(CampaignState.PAUSED, LONG_REASON, pending=2),
            0.0,
            f"paused: the sender is paused: wro… · 0 % · 0 of 2 sent · {LONG_REASON}",
        ),
    ],
)
def test_a_row_says_first_the_state_and_then_how_far_the_campaign_is(
    view: CampaignView, rate_per_s: float, text: str
) -> None:
    assert row_text(view, rate_per_s) == text


@pytest.mark.parametrize("state", CampaignState)
@pytest.mark.parametrize("length", range(60))
def test_state_and_share_are_in_the_first_forty_characters(state: CampaignState, length: int) -> None:
    view = _view(state, "x" * length, accepted=71, pending=29)
    text = row_text(view)
    assert " · 71 %" in text[:40]
    assert "x" * length in text or state is CampaignState.FINISHED


@pytest.mark.parametrize(
    ("failed", "event"), [(50, "task-succeeded"), (51, "task-failed"), (100, "task-failed"), (0, "task-succeeded")]
)
def test_a_finished_campaign_is_a_failure_when_more_than_half_of_its_messages_failed(failed: int, event: str) -> None:
    assert row_state(_view(CampaignState.FINISHED, failed=failed, delivered=100 - failed)).event == event


@pytest.mark.parametrize(
    ("rate_per_s", "left"),
    [
        (1_000.0, "1 s"),
        (1_000 / 99, "99 s"),
        (1_000 / 100, "2 min"),
        (1_000 / 5_900, "98 min"),
        (1_000 / 6_000, "2 h"),
        (1_000 / 3_600 / 99, "99 h"),
        (1_000 / 3_600 / 108, "5 days"),
        (1e-9, "11,574,074 days"),
    ],
)
def test_the_time_left_has_a_unit_of_its_size(rate_per_s: float, left: str) -> None:
    counts: dict[str, Any] = {"pending": 1_000}
    assert f"/s · {left} left · " in row_text(_view(**counts), rate_per_s)
