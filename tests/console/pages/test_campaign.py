from tests.kit.console import Browser, text_of_page
from tests.kit.ledger import CAMPAIGN, Ledger


async def test_a_campaign_shows_its_messages_by_state(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease), b"ara")
    html = (await viewer.get(f"/campaigns/{CAMPAIGN}")).text
    assert f'<a href="/campaigns/{CAMPAIGN}/messages?state=accepted">2</a>' in html
    assert "the provider refused it" in text_of_page(html)
