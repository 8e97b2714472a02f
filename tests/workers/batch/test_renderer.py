from typing import Any

from tests.kit.workers import CAMPAIGN, ID_KEY, SENDER
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import BatchRef, Plan, Recipients
from times_dispatch.provider.correlation_ids import CorrelationIds
from workers.batch.renderer import MessageRenderer

IDS = CorrelationIds(ID_KEY)


def _renderer(*, columns: dict[str, list[str]] | None = None, **changes: Any) -> MessageRenderer:
    recipients = Recipients(
        40, ["919800000040", "919800000041"], [42, 43], [["Asha", "नील"], ["9", "10"]], [1, 1], columns or {}
    )
    fields: dict[str, Any] = {
        "name": "diwali-sale",
        "sender": SENDER,
        "provider": "times",
        "template": "greeting",
        "content_id": "1107160000000000001",
        "text": "Dear {#var#}, order {#var#}",
        "category": "service",
        "entity_id": "1101",
        "valid_until_ms": 1,
    }
    return MessageRenderer(Lease(BatchRef(SENDER, CAMPAIGN, 1), 1, recipients), Plan(**{**fields, **changes}), IDS)


def test_a_push_holds_the_row_and_the_plan() -> None:
    push, parts = _renderer().push(0, 2)
    assert (push.to, push.text, push.unicode, parts) == ("919800000040", "Dear Asha, order 9", False, 1)
    assert push.variables == ["Asha", "9"]
    assert (push.sender, push.content_id, push.entity_id) == (SENDER, "1107160000000000001", "1101")
    assert push.correlation_id == IDS.make(CAMPAIGN, 40, 2)


def test_a_text_beyond_the_gsm_alphabet_is_unicode() -> None:
    push, _ = _renderer().push(1, 0)
    assert push.unicode


def test_values_of_the_row_override_those_of_the_campaign() -> None:
    push, _ = _renderer(columns={"Tag": ["a", "b"]}, custom={"Tag": "none", "Shop": "7"}).push(1, 0)
    assert push.custom == {"Tag": "b", "Shop": "7"}


def test_the_number_and_the_text_can_be_had_before_the_push_and_are_the_same_in_it() -> None:
    renderer = _renderer()
    before = renderer.phone(1), renderer.text(1)
    push, _ = renderer.push(1, 0)
    assert (push.to, push.text) == before


def test_a_text_is_kept_until_its_push_or_until_it_is_forgotten() -> None:
    renderer = _renderer()
    renderer.text(0)
    renderer.text(1)
    renderer.push(0, 0)
    assert set(renderer._texts) == {1}
    renderer.drop_text(1)
    renderer.drop_text(1)
    assert not renderer._texts


def test_the_push_of_a_lane_names_the_sender_and_not_the_lane() -> None:
    push, _ = _renderer(sender="TIMESM/1g").push(0, 0)
    assert push.sender == "TIMESM"
