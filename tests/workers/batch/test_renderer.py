from typing import Any

from tests.kit.workers import CAMPAIGN, ID_KEY, SENDER
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import BatchRef, Plan, Recipients
from times_dispatch.links.codes import LinkCodes, placeholder
from times_dispatch.links.filler import LinkFiller
from times_dispatch.provider.correlation_ids import CorrelationIds
from workers.batch.renderer import MessageRenderer

IDS = CorrelationIds(ID_KEY)


def _renderer(
    *,
    slots: list[list[str]] | None = None,
    columns: dict[str, list[str]] | None = None,
    links: LinkFiller | None = None,
    **changes: Any,
) -> MessageRenderer:
    slots = slots or [["Asha", "नील"], ["9", "10"]]
    recipients = Recipients(40, ["919800000040", "919800000041"], [42, 43], slots, [1, 1], columns or {})
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
    lease = Lease(BatchRef(SENDER, CAMPAIGN, 1), 1, recipients)
    return MessageRenderer(lease, Plan(**{**fields, **changes}), IDS, links)


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
    before = renderer.phone(1), renderer.compared_text(1)
    push, _ = renderer.push(1, 0)
    assert (push.to, push.text) == before


def test_a_text_is_kept_until_its_push_or_until_it_is_forgotten() -> None:
    renderer = _renderer()
    renderer.compared_text(0)
    renderer.compared_text(1)
    renderer.push(0, 0)
    assert set(renderer._texts) == {1}
    renderer.drop_text(1)
    renderer.drop_text(1)
    assert not renderer._texts


def test_the_push_of_a_lane_names_the_sender_and_not_the_lane() -> None:
    push, _ = _renderer(sender="TIMESM/1g").push(0, 0)
    assert push.sender == "TIMESM"


def test_the_texts_of_two_campaigns_with_links_are_compared_without_their_codes() -> None:
    prefix, keys = "go.brand.in/TIMESM/", LinkCodes(b"a link key of enough bytes", SENDER)
    link, compared, sent = prefix + placeholder(0), list[str](), list[str]()
    for number in (1, 2):
        filler = LinkFiller(keys, number=number, prefix=prefix, links=1)
        renderer = _renderer(slots=[["Asha", "Ravi"], [link, link]], links=filler)
        compared += [renderer.compared_text(0), renderer.compared_text(1)]
        sent += [renderer.push(index, 0)[0].text for index in (0, 1)]
    assert compared[:2] == compared[2:]
    assert compared[0] != compared[1]
    assert len(set(sent)) == 4
    assert not any(placeholder(0) in text for text in sent)
