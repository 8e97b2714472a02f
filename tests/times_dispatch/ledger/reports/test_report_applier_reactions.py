"""Clicks, replies and opt-outs that arrive in delivery reports."""

from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, Ledger
from times_dispatch.ledger.reports.report_applier import DeliveryReport


@pytest.mark.parametrize("kind", ["clicked", "replied"])
async def test_a_click_or_reply_counts_once_however_often_it_is_reported(ledger: Ledger, kind: Any) -> None:
    await ledger.submit(1)
    await ledger.send_all()
    clicks = [
        DeliveryReport(CAMPAIGN, 0, 0, kind, 0, 1_795_000_000, digest)
        for digest in (b"click  1", b"click  2", b"click  1")
    ]
    await ledger.report_applier.apply(clicks)
    await ledger.report_applier.apply(clicks)
    assert await ledger.stat(kind) == 2
    assert (await ledger.stat("reports"), await ledger.stat("duplicate_reports")) == (0, 0)
    assert await ledger.states() == "a"


@pytest.mark.parametrize(("kind", "bits"), [("clicked", "clickers"), ("replied", "repliers")])
async def test_the_messages_with_a_click_or_reply_are_noted(ledger: Ledger, kind: Any, bits: str) -> None:
    await ledger.submit(3, batch_size=3)
    await ledger.send_all()
    reports = [
        DeliveryReport(CAMPAIGN, 1, 0, kind, 0, 1_795_000_000, b"click  1"),
        DeliveryReport(CAMPAIGN, 2, 0, "link_scanned", 0, 1_795_000_000, b"click  2"),
        DeliveryReport(CAMPAIGN, 9, 0, kind, 0, 1_795_000_000, b"click  3"),
    ]
    await ledger.report_applier.apply(reports)
    key = f"{{TIMESM}}:c:{CAMPAIGN}:"
    assert [await ledger.redis.getbit(key + bits, index) for index in range(3)] == [0, 1, 0]
    assert await ledger.redis.bitcount(key + bits) == 1
    assert await ledger.redis.exists(key + "unsubscribers") == 0


async def test_the_messages_in_which_a_link_was_clicked_are_noted_by_link(ledger: Ledger) -> None:
    await ledger.submit(3, batch_size=2)
    await ledger.send_all()
    clicks = [
        DeliveryReport(CAMPAIGN, index, 0, "clicked", 0, 1_795_000_000, digest, link=link)
        for index, link, digest in ((0, 1, b"click  1"), (2, 1, b"click  2"), (2, 5, b"click  3"), (1, 0, b"click  4"))
    ]
    await ledger.report_applier.apply([*clicks, *clicks[:1]])
    key = f"{{TIMESM}}:c:{CAMPAIGN}:clickers"
    noted = {
        link: [index for index in range(3) if await ledger.redis.getbit(f"{key}:{link}", index)] for link in range(7)
    }
    assert noted == {0: [1], 1: [0, 2], 2: [], 3: [], 4: [], 5: [2], 6: []}


async def test_the_messages_whose_recipients_ask_to_stop_are_noted(ledger: Ledger) -> None:
    await ledger.submit(3, batch_size=3)
    await ledger.send_all()
    report = DeliveryReport(CAMPAIGN, 2, 0, "replied", 0, 1_795_000_000, b"reply  1", asks_to_stop=True)
    visit = DeliveryReport(CAMPAIGN, 0, 0, "opted_out", 0, 1_795_000_000, b"visit  1")
    await ledger.report_applier.apply([report, visit])
    key = f"{{TIMESM}}:c:{CAMPAIGN}:unsubscribers"
    assert [await ledger.redis.getbit(key, index) for index in range(3)] == [1, 0, 1]
    assert await ledger.stat("opted_out") == 2


async def test_a_message_counts_one_opt_out_whatever_ways_and_however_often_its_recipient_asks(ledger: Ledger) -> None:
    await ledger.submit(3, batch_size=2)
    await ledger.send_all()
    reports = [
        DeliveryReport(CAMPAIGN, 0, 0, "replied", 0, 1_795_000_000, b"reply  1", asks_to_stop=True),
        DeliveryReport(CAMPAIGN, 0, 0, "replied", 0, 1_795_000_009, b"reply  2", asks_to_stop=True),
        DeliveryReport(CAMPAIGN, 0, 0, "opted_out", 0, 1_795_000_010, visit="00000000000000aa-1"),
        DeliveryReport(CAMPAIGN, 2, 0, "opted_out", 0, 1_795_000_010, b"visit  1"),
    ]
    await ledger.report_applier.apply(reports)
    await ledger.report_applier.apply(reports[1:])
    assert (await ledger.stat("replied"), await ledger.stat("opted_out")) == (2, 2)
    assert await ledger.redis.exists(f"{{TIMESM}}:c:{CAMPAIGN}:opted_out") == 0


async def test_clicks_and_replies_are_told_apart(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.send_all()
    await ledger.report_applier.apply(
        [DeliveryReport(CAMPAIGN, 0, 0, kind, 0, 1_795_000_000, b"the same") for kind in ("clicked", "replied")]
    )
    assert (await ledger.stat("clicked"), await ledger.stat("replied")) == (1, 1)
