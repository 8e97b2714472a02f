from datetime import UTC, datetime

from tests.kit.console import Browser, text_of_page
from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger


async def test_an_empty_ledger_says_what_to_do(viewer: Browser) -> None:
    page = text_of_page((await viewer.get("/")).text)
    assert "No campaign is live." in page
    assert "dispatch submit campaign.toml" in page


async def test_a_live_campaign_shows_its_counters_and_links_each_of_them(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    html = (await viewer.get("/")).text
    assert "diwali-sale" in html
    assert f'href="/campaigns/{CAMPAIGN}/messages?state=pending"' in html
    assert "0 of 3" in text_of_page(html)


async def test_a_sender_that_sends_has_a_sign(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    for page in ("/", "/senders"):
        html = (await viewer.get(page)).text
        assert '<td class="nowrap"><span class="sign s-delivered" aria-hidden="true">✓</span> sends</td>' in html


async def test_a_sender_that_does_not_send_has_a_sign_and_the_reason(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.brake_provider(SENDER, PROVIDER, "sender id not registered (2051)")
    for page in ("/", "/senders"):
        html = (await viewer.get(page)).text
        assert '<td class="say"><span class="sign s-in_doubt" aria-hidden="true">‖</span> provider' in html


async def test_a_scheduled_campaign_says_when_it_starts(viewer: Browser, ledger: Ledger) -> None:
    starts_ms = int(datetime(2099, 12, 31, 10, tzinfo=UTC).timestamp() * 1000)
    await ledger.submit(3, start_at_ms=starts_ms, valid_until_ms=starts_ms + 60_000)
    for page in ("/", f"/campaigns/{CAMPAIGN}"):
        assert "goes on at 2099-12-31 15:30 Asia/Kolkata" in text_of_page((await viewer.get(page)).text)


async def test_the_live_campaigns_without_a_card_are_a_link_to_the_list_of_all(viewer: Browser, ledger: Ledger) -> None:
    for number in range(23):
        await ledger.submit(1, campaign=f"c{number:07}")
    html = (await viewer.get("/")).text
    assert '<a href="/campaigns?state=live">3 more live campaigns</a>' in html
    assert html.count('<article class="card running"') == 20
    listed = (await viewer.get("/campaigns?state=live")).text
    assert all(f'href="/campaigns/c{number:07}"' in listed for number in range(23))
