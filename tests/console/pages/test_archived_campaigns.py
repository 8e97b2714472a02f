"""Archived campaigns are listed, and their pages have their counters; their messages are not in Redis."""

from pathlib import Path

from redis.asyncio import Redis

from tests.kit.archive import ended_campaign, retention
from tests.kit.console import Browser, text_of_page
from tests.kit.ledger import CAMPAIGN, Ledger


async def test_an_archived_campaign_is_listed_and_shows_its_counters(
    operator: Browser, ledger: Ledger, redis: Redis, tmp_path: Path
) -> None:
    await ended_campaign(ledger)
    before = text_of_page((await operator.get(f"/campaigns/{CAMPAIGN}")).text)
    await retention(redis, tmp_path / "archive").run()
    assert "No campaign" in (await operator.get("/campaigns?q=diwali")).text
    listed = (await operator.get("/campaigns?state=archived&q=DIWALI")).text
    assert f'href="/campaigns/{CAMPAIGN}"' in listed
    assert "No archived campaign fits." in (await operator.get("/campaigns?state=archived&q=holi")).text
    page = text_of_page((await operator.get(f"/campaigns/{CAMPAIGN}")).text)
    assert "This campaign is archived" in page
    assert "Resend" not in page
    for figure in ("Sent 5", "Delivered 2", "Clicked 1"):
        assert (figure in before, figure in page) == (True, True), figure
    response = await operator.get(f"/campaigns/{CAMPAIGN}/messages")
    assert (response.status_code, "is archived" in response.text) == (410, True)


async def test_the_days_of_sending_are_no_filter_of_archived_campaigns_and_the_page_says_so(
    viewer: Browser, ledger: Ledger, redis: Redis, tmp_path: Path
) -> None:
    await ended_campaign(ledger)
    await retention(redis, tmp_path / "archive").run()
    html = (await viewer.get("/campaigns?state=archived&sent_since=2020-01-01&sent_until=2020-01-01")).text
    assert f'href="/campaigns/{CAMPAIGN}"' in html
    assert "Archived campaigns cannot be searched by the days of sending" in html
    assert "Campaigns that sent something" not in html
    html = (await viewer.get("/campaigns?state=archived")).text
    assert "cannot be searched by the days" not in html
    assert "<option>live</option>" in html


async def test_a_folder_that_is_gone_is_said(operator: Browser, ledger: Ledger, redis: Redis, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    await retention(redis, tmp_path / "archive").run()
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    response = await operator.get(f"/campaigns/{CAMPAIGN}")
    assert (response.status_code, "The archive cannot be read" in response.text) == (503, True)
