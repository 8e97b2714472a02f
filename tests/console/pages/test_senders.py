"""The figures of senders over days equal those of ``dispatch stats``."""

import re
from datetime import date, datetime
from decimal import Decimal
from html import unescape

from console.formats import INDIA
from console.pages.senders import Group, sent_by_day
from tests.console.pages.test_campaign import F, in_international_form, rows, stats
from tests.kit.console import Browser, sent_campaign, text_of_page
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.statistics.figures import statistics_of


async def test_a_sender_has_the_figures_of_dispatch_stats(viewer: Browser, ledger: Ledger, redis_url: str) -> None:
    await sent_campaign(ledger)
    figures = await stats(redis_url, "--sender", SENDER)
    html = (await (await in_international_form(viewer)).get(f"/senders/{SENDER}")).text
    page = text_of_page(html)
    for name in ("sent", "delivered", "errors"):
        assert f"{name.capitalize()} {figures[name]:,}" in page
    [day] = rows(html, "days-title")
    assert day[1] == f"{figures['sent']:,}"
    assert day[-1] == F.rupees(Decimal(figures["cost_rupees"]))
    codes = [(int(cells[1]), int(cells[2])) for cells in rows(html, "codes-title")]
    assert codes == [(code["code"], code["messages"]) for code in figures["codes"]]


async def test_all_senders_add_up_to_the_figures_of_dispatch_stats(
    viewer: Browser, ledger: Ledger, redis_url: str
) -> None:
    await sent_campaign(ledger)
    figures = await stats(redis_url, "--by", "provider")
    page = text_of_page((await (await in_international_form(viewer)).get("/senders?days=1")).text)
    sums = f"all {figures['sent']:,} {figures['delivered']:,} {figures['errors']:,} {figures['no_report']:,}"
    assert sums in page
    [provider] = figures["rows"]
    assert provider in page


async def test_the_figures_behind_the_lines_of_the_providers_stand_in_a_table_by_day(
    viewer: Browser, ledger: Ledger, redis_url: str
) -> None:
    await sent_campaign(ledger, provider="tm")
    await ledger.submit(3, campaign="second01", provider="other")
    await ledger.send_all(b"a")
    figures = await stats(redis_url, "--by", "provider")
    by_provider = [f"{figures['rows'][provider]['sent']:,}" for provider in ("other", "tm")]
    html = (await (await in_international_form(viewer)).get("/senders?days=7")).text
    today = datetime.fromtimestamp(await ledger.now_ms() / 1000, INDIA).date().isoformat()
    assert rows(html, "providers-by-day") == [[today, *by_provider]]
    assert by_provider[0] == "3"
    assert f'<a href="/campaigns?sent_since={today}&amp;sent_until={today}&amp;provider=other">3</a>' in html


async def test_the_figures_of_a_provider_and_a_template_lead_to_their_campaigns_only(
    viewer: Browser, ledger: Ledger
) -> None:
    await sent_campaign(ledger, provider="tm", template="greeting")
    await ledger.submit(3, campaign="second01", provider="other", template="farewell")
    await ledger.send_all(b"a")
    expected = {
        "provider=tm": [CAMPAIGN], "provider=other": ["second01"],
        "template=greeting": [CAMPAIGN], "template=farewell": ["second01"],
    }  # fmt: skip
    seen = set[str]()
    for path in ("/senders", f"/senders/{SENDER}"):
        html = (await viewer.get(path)).text
        links = {unescape(href) for href in re.findall(r'href="(/campaigns\?[^"]+)"', html)}
        for link in links:
            for choice in expected.keys() & set(link.partition("?")[2].split("&")):
                listed = (await viewer.get(link)).text
                assert re.findall(r'<th scope="row"><a href="/campaigns/(\w+)">', listed) == expected[choice], link
                seen.add(choice)
    assert seen == set(expected)


def test_the_newest_day_is_first_in_the_table_of_providers_and_days_without_messages_are_left_out() -> None:
    none = statistics_of({})
    of_days = ((1, 0, 3), (0, 0, 4))
    shown = [Group(name=f"p{number}", statistics=none, sent_by_day=sent) for number, sent in enumerate(of_days)]
    assert sent_by_day(shown, date(2026, 11, 29)) == [("2026-12-01", [3, 4]), ("2026-11-29", [1, 0])]


async def test_a_sender_that_never_sent_says_so_and_an_unknown_one_is_not_found(
    viewer: Browser, ledger: Ledger
) -> None:
    assert "Nothing was sent in this time." in (await viewer.get("/senders/OTHERS")).text
    assert (await viewer.get("/senders/NOBODY")).status_code == 404


async def test_a_number_of_days_that_the_page_does_not_have_is_an_error(viewer: Browser, ledger: Ledger) -> None:
    for path, possible in (
        ("/senders?days=nonsense", "1, 7, 30, 90."),
        ("/senders?days=365", "1, 7, 30, 90."),
        ("/senders/OTHERS?days=2", "1, 7, 30, 90, 365."),
    ):
        response = await viewer.get(path)
        assert response.status_code == 400
        assert f"Possible: {possible}" in response.text
    assert (await viewer.get("/senders/OTHERS?days=365")).status_code == 200


async def test_a_sender_that_only_the_settings_have_has_no_actions(operator: Browser, ledger: Ledger) -> None:
    await ledger.submit(1)
    for sender, actions in ((SENDER, {"pause", "rate"}), ("OTHERS", set())):
        html = (await operator.get(f"/senders/{sender}")).text
        found = set(re.findall(rf'href="/senders/{sender}/(\w+)"', html))
        assert found == actions
        for action in found:
            assert (await operator.get(f"/senders/{sender}/{action}")).status_code == 200


async def test_the_figures_of_today_lead_to_the_campaigns_that_sent_today_whenever_they_were_created(
    viewer: Browser, ledger: Ledger
) -> None:
    await sent_campaign(ledger)
    await ledger.redis.hincrby(campaign_key(SENDER, CAMPAIGN), "created_ms", -3 * 86_400_000)
    for path in ("/senders?days=1", f"/senders/{SENDER}?days=1"):
        html = (await viewer.get(path)).text
        links = {unescape(href) for href in re.findall(r'href="(/campaigns\?[^"]+)"', html)}
        assert links
        for link in (link for link in links if "OTHERS" not in link):
            assert f'<a href="/campaigns/{CAMPAIGN}">' in (await viewer.get(link)).text, link
    await ledger.redis.hincrby(campaign_key(SENDER, CAMPAIGN), "created_ms", 3 * 86_400_000)


async def test_each_number_of_messages_of_the_senders_is_a_link(viewer: Browser, ledger: Ledger) -> None:
    await sent_campaign(ledger)
    for path in ("/senders", f"/senders/{SENDER}"):
        html = (await viewer.get(path)).text.partition('id="codes-title"')[0]  # codes are no numbers of messages
        assert re.findall(r'<td class="n">(?:[\d,]+|Rs [^<]*)</td>', html) == []
        assert '<div class="figure">' not in html


async def test_a_sender_with_many_live_campaigns_lists_the_newest_and_links_to_all(
    viewer: Browser, ledger: Ledger
) -> None:
    for number in range(22):
        await ledger.submit(1, campaign=f"c{number:07}")
        await ledger.redis.hset(campaign_key(SENDER, CampaignId(f"c{number:07}")), "created_ms", 10**12 + number)
    html = (await viewer.get(f"/senders/{SENDER}")).text
    assert re.findall(r'<th scope="row"><a href="/campaigns/(\w+)">', html) == [f"c{n:07}" for n in range(21, 1, -1)]
    assert '<dd><a href="#live-title">22</a></dd>' in html
    assert f'href="/campaigns?sender={SENDER}&amp;state=live">All 22 live campaigns of {SENDER}' in html
    page = await viewer.get(f"/campaigns?sender={SENDER}&state=live")
    assert len(set(re.findall(r'href="/campaigns/(c\d+)"', page.text))) == 22


async def test_a_sender_names_its_damaged_campaigns_once_and_lists_the_others(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(1)
    for number, field in enumerate(("batches", "state")):
        campaign = CampaignId(f"damaged{number}")
        await ledger.submit(1, campaign=campaign)
        await ledger.redis.hset(campaign_key(SENDER, campaign), field, "odd")
    html = (await viewer.get(f"/senders/{SENDER}")).text
    assert re.findall(r"Campaign (\w+) is damaged in the ledger: it cannot be read", html) == ["damaged0", "damaged1"]
    assert re.findall(r'<th scope="row"><a href="/campaigns/(\w+)">', html) == [CAMPAIGN]


async def test_a_sender_without_live_campaigns_has_no_list_of_them(viewer: Browser, ledger: Ledger) -> None:
    html = (await viewer.get("/senders/OTHERS")).text
    assert "live-title" not in html
    assert "live campaigns of" not in html


async def test_a_code_of_a_sender_leads_to_the_campaigns_with_this_code(viewer: Browser, ledger: Ledger) -> None:
    await sent_campaign(ledger)
    await ledger.submit(3, campaign="second01")
    await ledger.send_all(b"a")
    html = (await viewer.get(f"/senders/{SENDER}")).text
    links = [unescape(href) for href in re.findall(r'href="(/campaigns\?[^"]+reason=[^"]+)"', html)]
    assert len(links) == len(rows(html, "codes-title")) > 1
    for link in links:
        listed = (await viewer.get(link)).text
        label, _, code = link.rpartition("=")[2].partition(":")
        assert re.findall(r'<th scope="row"><a href="/campaigns/(\w+)">', listed) == [CAMPAIGN]
        assert f", with messages {label.replace('_', ' ')} by code {code}." in listed
