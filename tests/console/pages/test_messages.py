import re

from tests.kit.console import Browser, sent_campaign, text_of_page
from tests.kit.ledger import CAMPAIGN, Ledger
from times_dispatch.ledger.reports.report_applier import DeliveryReport


async def test_viewers_see_lines_and_states_and_no_people(viewer: Browser, operator: Browser, ledger: Ledger) -> None:
    await sent_campaign(ledger)
    path = f"/campaigns/{CAMPAIGN}/messages?state=rejected"
    seen, own = (await viewer.get(path)).text, (await operator.get(path)).text
    assert "invalid mobile number" in seen
    assert not re.search(r"9198|name \d|Dear", seen)
    assert re.search(r"9198\*+\d{3}", own)
    assert not re.search(r"9198\d{6}", own)
    assert "Dear name 5" in own


async def test_pages_of_messages_hold_each_message_once(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(250, batch_size=60)
    lines, path = list[int](), f"/campaigns/{CAMPAIGN}/messages?state=pending"
    for _ in range(3):
        html = (await viewer.get(path)).text
        lines += [int(line) for line in re.findall(r'<tr>\s*<td class="n">([\d,]+)</td>', html)]
        more = re.search(r'href="([^"]+)" rel="next"', html)
        path = more[1].replace("&amp;", "&") if more else ""
    assert lines == list(range(2, 252))
    assert not path


async def test_a_filter_that_does_not_exist_is_an_error_and_does_not_show_all(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    for query, possible in (
        ("state=asleep", "delivered"),
        ("state=failed,asleep", "delivered"),
        ("code=x", "whole numbers from 0"),
        ("code=99999999999999", "to 999999999"),
        ("hour=-1", "whole numbers from 0"),
        ("hour=999999999", "to 9999999"),
        ("day=999999999", "to 416665"),
        ("bucket=128", "to 127"),
        ("clicked=2", "0, 1"),
        ("replied=yes", "0, 1"),
        ("recovered=2", "0, 1"),
        ("tries=x", "whole numbers from 0"),
        ("after=x", "whole numbers from 0"),
        ("after=²", "whole numbers from 0"),
    ):
        response = await viewer.get(f"/campaigns/{CAMPAIGN}/messages?{query}")
        assert response.status_code == 400, query
        assert "Unknown value in the address" in response.text
        assert possible in response.text.partition("Possible: ")[2].partition("</p>")[0], query
    for query in ("", "state=", "state=failed,rejected", "bucket=127", "recovered=0"):
        assert (await viewer.get(f"/campaigns/{CAMPAIGN}/messages?{query}")).status_code == 200, query
    assert "No message fits." in text_of_page((await viewer.get(f"/campaigns/{CAMPAIGN}/messages?hour=5")).text)
    assert "sent on 4 Oct 2024" in text_of_page((await viewer.get(f"/campaigns/{CAMPAIGN}/messages?day=20000")).text)


async def test_viewers_see_no_people_in_the_lists_of_reactions_and_second_tries(
    viewer: Browser, operator: Browser, ledger: Ledger
) -> None:
    await sent_campaign(ledger)
    now_s = await ledger.now_ms() // 1000
    replies = [
        DeliveryReport(CAMPAIGN, index, 0, "replied", 0, now_s, bytes(7) + bytes([index]), asks_to_stop=index == 2)
        for index in (2, 4)
    ]
    await ledger.report_applier.apply(replies)
    for query, words, listed in (
        ("replied=1", "replied to", 2),
        ("opted_out=1", "the recipient asked for no more messages", 1),
        ("clicked=1", "clicked", 6),
        ("clicked=0&state=delivered", "not clicked", None),
    ):
        path = f"/campaigns/{CAMPAIGN}/messages?{query}"
        seen, own = (await viewer.get(path)).text, (await operator.get(path)).text
        assert words in text_of_page(seen)
        assert not re.search(r"9198|name \d|Dear", seen), query
        assert re.search(r"9198\*+\d{3}", own), query
        if listed is not None:
            assert seen.partition("<tbody>")[2].count("<tr>") == listed, query
    for query in ("waiting=1", "tries=1", "tries=0", "recovered=1", "waiting=0"):
        assert (await viewer.get(f"/campaigns/{CAMPAIGN}/messages?{query}")).status_code == 200
