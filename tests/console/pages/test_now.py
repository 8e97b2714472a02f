from tests.kit.console import Browser, text_of_page
from tests.kit.ledger import CAMPAIGN, Ledger


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
