"""Archived campaigns are listed, and their pages have their counters; their messages are not in Redis."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from tests.kit.archive import ended_campaign, retention
from tests.kit.console import Browser, text_of_page
from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import MessageState


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


async def test_archived_campaigns_are_found_by_day_provider_and_template_of_sending(
    viewer: Browser, ledger: Ledger, redis: Redis, tmp_path: Path
) -> None:
    await ended_campaign(ledger)
    await retention(redis, tmp_path / "archive").run()
    today = datetime.now(ZoneInfo("Asia/Kolkata")).date()
    link = f'href="/campaigns/{CAMPAIGN}"'

    async def listed(query: str) -> str:
        return (await viewer.get(f"/campaigns?state=archived&{query}")).text

    html = await listed(f"sent_since={today}&sent_until={today}&provider={PROVIDER}&template=greeting")
    assert link in html
    assert f"Archived campaigns that sent the template greeting through {PROVIDER} on " in html
    for others in ("sent_until=2020-01-01", f"sent_since={today + timedelta(days=1)}", "template=other"):
        assert link not in await listed(others)
    await redis.hset(f"{{{SENDER}}}:c:{CAMPAIGN}", "archive_sent_days", f" 20000:{PROVIDER} 20002:backup")
    assert link in await listed("sent_since=2024-10-04&sent_until=2024-10-04")
    assert link not in await listed("sent_since=2024-10-05&sent_until=2024-10-05")
    assert link not in await listed(f"sent_since=2024-10-06&provider={PROVIDER}")
    # A campaign that an earlier version archived may have sent on each day from its creation to its end.
    await redis.hdel(f"{{{SENDER}}}:c:{CAMPAIGN}", "archive_sent_days")
    assert link in await listed(f"sent_since={today}&provider={PROVIDER}")
    assert link not in await listed("sent_until=2020-01-01")


async def test_archived_campaigns_are_found_by_the_codes_of_their_messages(
    viewer: Browser, ledger: Ledger, redis: Redis, tmp_path: Path
) -> None:
    await ended_campaign(ledger)
    key = f"{{{SENDER}}}:c:{CAMPAIGN}"
    fields = {text(field) for field in await redis.hkeys(f"{key}:statistics")}
    codes = {field for field in fields if re.fullmatch("[a-z]:[0-9]+", field)}
    await redis.hset(f"{key}:statistics", "f:909", "0")  # the messages were delivered after all
    await retention(redis, tmp_path / "archive").run()
    assert set(text(await redis.hget(key, "archive_codes")).split()) == codes
    link, query = f'href="/campaigns/{CAMPAIGN}"', "state=archived&reason="
    states = {state.value: state.label for state in MessageState}
    for letter, _, code in (each.partition(":") for each in codes):
        assert link in (await viewer.get(f"/campaigns?{query}{states[letter]}:{code}")).text
        assert link not in (await viewer.get(f"/campaigns?{query}{states[letter]}:9{code}")).text
    assert link not in (await viewer.get(f"/campaigns?{query}delivered:{code}")).text
    # The messages of a campaign that an earlier version archived may have each code.
    await redis.hdel(key, "archive_codes")
    assert link in (await viewer.get(f"/campaigns?{query}delivered:{code}")).text


async def test_an_archived_campaign_may_have_codes_and_days_in_each_lane_of_its_sender(
    viewer: Browser, ledger: Ledger, redis: Redis, tmp_path: Path
) -> None:
    await ended_campaign(ledger)
    await retention(redis, tmp_path / "archive").run()
    link = f'href="/campaigns/{CAMPAIGN}"'
    lists = ("state=archived&reason=failed:999", "state=archived&sent_until=2020-01-01")
    assert not any([link in (await viewer.get(f"/campaigns?{wanted}")).text for wanted in lists])
    await redis.sadd("senders", f"{SENDER}/1a")
    assert all([link in (await viewer.get(f"/campaigns?{wanted}")).text for wanted in lists])


async def test_a_list_by_days_of_sending_leads_to_the_archived_campaigns_of_these_days(
    viewer: Browser, ledger: Ledger, redis: Redis, tmp_path: Path
) -> None:
    path = "/campaigns?sent_since=2020-01-01&sent_until=2100-01-01"
    await ended_campaign(ledger)
    assert "state=archived" not in (await viewer.get(path)).text
    await retention(redis, tmp_path / "archive").run()
    html = (await viewer.get(path)).text
    [href] = re.findall(r'<a href="([^"]+)">Archived campaigns</a> have a list of their own', html)
    assert f'href="/campaigns/{CAMPAIGN}"' in (await viewer.get(href.replace("&amp;", "&"))).text


async def test_a_folder_that_is_gone_is_said(operator: Browser, ledger: Ledger, redis: Redis, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    await retention(redis, tmp_path / "archive").run()
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    response = await operator.get(f"/campaigns/{CAMPAIGN}")
    assert (response.status_code, "The archive cannot be read" in response.text) == (503, True)
