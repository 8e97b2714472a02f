from typing import Any

import msgspec
import pytest

from tests.kit.workers import SENDER
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.model import CampaignId, LinkTarget, Plan, SenderId, TrackedLinks
from times_dispatch.ledger.secret_digest import digest_secret
from times_dispatch.ledger.tracked_links import LINK_KEY_PURPOSE
from times_dispatch.links.codes import MAX_INDEX, LinkCodes, placeholder
from workers.batch.link_keys import LinkKeys

KEY, OLD_KEY = b"a link key of enough bytes", b"the key before that key"
PREFIX = "go.brand.in/TIMESM/"


def plan(key: bytes | None) -> Plan:
    fields: dict[str, Any] = {"name": "n", "sender": SENDER, "provider": "times", "template": "t", "content_id": "1"}
    links = key and TrackedLinks(
        prefix=PREFIX,
        targets=[LinkTarget("offer", ["https://shop.example/"])],
        key_digest=digest_secret(key, purpose=LINK_KEY_PURPOSE),
        number=4,
    )
    return Plan(**fields, text="", category="service", valid_until_ms=1, tracked_links=links or None)


def test_a_campaign_keeps_the_key_with_which_it_was_submitted() -> None:
    keys = LinkKeys((KEY, OLD_KEY))

    for key in (KEY, OLD_KEY):
        filler = keys.filler(plan(key))
        assert filler
        assert filler.fill([PREFIX + placeholder(0)], 9) == [PREFIX + LinkCodes(key, SENDER).make(4, 9, 0)]


def test_no_text_is_rendered_without_the_key_of_its_campaign() -> None:
    keys = LinkKeys((KEY, b""))

    assert not keys.has_key_of(plan(OLD_KEY))
    with pytest.raises(LookupError):
        keys.filler(plan(OLD_KEY))


def test_a_campaign_without_links_needs_no_key() -> None:
    assert LinkKeys().has_key_of(plan(None))
    assert LinkKeys().filler(plan(None)) is None


def test_each_lane_makes_codes_of_the_sender_that_no_other_lane_makes() -> None:
    keys, codes = LinkKeys((KEY,)), LinkCodes(KEY, SENDER)
    ids = [CampaignId(f"lane{number:04}") for number in range(3)]
    texts = list[str]()
    for sender in lane_senders(SenderId(SENDER), 3):
        of_lane = msgspec.structs.replace(plan(KEY), sender=sender, lane_campaigns=ids)
        filler = keys.filler(of_lane)
        assert filler
        texts += [filler.fill([PREFIX + placeholder(0)], index)[0] for index in range(4)]
    by_index = sorted(texts, key=[PREFIX + codes.make(4, MAX_INDEX - at, 0) for at in range(12)].index)
    assert by_index == [texts[lane * 4 + index] for index in range(4) for lane in range(3)]
