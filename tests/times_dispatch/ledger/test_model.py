import msgspec
import pytest

from tests.kit.ledger import CAMPAIGN, plan
from times_dispatch.ledger.model import CampaignView, Plan
from times_dispatch.ledger.states import CampaignState, MessageState


def _view(total: int, counts: dict[MessageState, int]) -> CampaignView:
    return CampaignView(
        id=CAMPAIGN,
        state=CampaignState.RUNNING,
        reason="",
        plan=plan(),
        total=total,
        batches=1,
        counts=dict.fromkeys(MessageState, 0) | counts,
        codes={},
        parts=0,
        stats={},
        created_ms=0,
        sealed_ms=0,
        first_sent_ms=0,
        last_sent_ms=0,
        finished_ms=0,
    )


def test_a_chain_begins_with_the_provider_and_goes_on_with_the_fallbacks() -> None:
    assert plan().chain == ("times",)
    assert plan(fallbacks=["other", "third"]).chain == ("times", "other", "third")


def test_a_plan_is_stored_as_json_and_read_back() -> None:
    stored = plan(max_parts=7, custom={"route": "4"}, urgent=True)
    assert msgspec.json.decode(msgspec.json.encode(stored), type=Plan) == stored


@pytest.mark.parametrize(
    ("total", "counts", "unsent", "holds"),
    [
        (0, {}, 0, True),
        (6, {MessageState.PENDING: 1, MessageState.SENDING: 2, MessageState.ACCEPTED: 3}, 3, True),
        (6, {MessageState.PENDING: 1, MessageState.DELIVERED: 4}, 1, False),
    ],
)
def test_a_view_counts_unsent_messages_and_checks_the_total(
    total: int, counts: dict[MessageState, int], unsent: int, holds: bool
) -> None:
    view = _view(total, counts)
    assert (view.unsent, view.done, view.counters_add_up) == (unsent, total - unsent, holds)
