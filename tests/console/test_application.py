import re
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import TryAgainError

from tests.kit.console import Browser, ConsoleRig, make_rig, text_of_page
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.console_users import ConsoleRole
from times_dispatch.demo.local_ports import free_port
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import SenderKey, campaign_key, sender_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.queries import Queries


async def test_a_page_that_is_not_there_says_so(owner: Browser) -> None:
    response = await owner.get("/nowhere")
    assert (response.status_code, "There is no such page" in response.text) == (404, True)
    response = await owner.get("/campaigns/nothing1")
    assert (response.status_code, "no campaign has this id" in response.text) == (404, True)


async def test_an_unavailable_ledger_is_a_page_and_the_first_page_still_opens(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with connect(url, retries=0) as nowhere:
        rig = make_rig(nowhere, url, tmp_path)
        browser = rig.logged_in(ConsoleRole.OWNER)
        now, campaigns = await browser.get("/"), await browser.get("/campaigns")
        system = await browser.get("/system")
        await rig.close()
    assert (now.status_code, "nothing works without Redis" in now.text) == (200, True)
    # The number is unknown while Redis is away, so a 0 would be wrong.
    assert "Live campaigns – Still to send – Workers – Report backlog –" in text_of_page(now.text)
    assert "No campaign is live" not in now.text
    assert "The running campaigns cannot be read now." in now.text
    assert "nothing works without Redis" in system.text
    assert not re.search(r"Live campaigns|does not run|messages to send", system.text)
    assert (campaigns.status_code, "The ledger is unavailable" in campaigns.text) == (503, True)


async def test_a_damaged_campaign_is_a_page(owner: Browser, ledger: Ledger, redis: Redis) -> None:
    await ledger.submit(3)
    await redis.hset(campaign_key(SenderId("TIMESM"), CampaignId(CAMPAIGN)), "plan", "{")
    response = await owner.get(f"/campaigns/{CAMPAIGN}")
    assert (response.status_code, "damaged in the ledger" in response.text) == (500, True)


async def test_a_damaged_index_is_named_and_not_called_an_absent_redis(
    owner: Browser, ledger: Ledger, redis: Redis
) -> None:
    await ledger.submit(3)
    key = sender_key(SENDER, SenderKey.LIVE)
    await redis.delete(key)
    await redis.set(key, "x")
    pages = {path: await owner.get(path) for path in ("/", "/system", f"/senders/{SENDER}", "/campaigns")}
    assert [page.status_code for page in pages.values()] == [200, 200, 500, 500]
    for path, page in pages.items():
        text = text_of_page(page.text)
        where = "here" if path == "/campaigns" else f"in the key {key}"  # the error of a script does not name the key
        assert f"what the ledger holds {where} is damaged" in text, path
        assert "restore it (docs/operations.md)" in text, path
        assert "Redis does not answer" not in text, path
        assert "start Redis" not in text, path
    await redis.delete(key)
    await redis.sadd(key, CAMPAIGN)


async def test_a_slot_that_moves_is_not_called_an_absent_redis(
    owner: Browser, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def moving(*_: object, **__: object) -> None:
        raise TryAgainError("x")

    await ledger.submit(3)
    monkeypatch.setattr(Queries, "campaign", moving)
    response = await owner.get(f"/campaigns/{CAMPAIGN}")
    text = text_of_page(response.text)
    assert (response.status_code, "Redis is moving data that are needed here" in text) == (503, True)
    assert "Redis does not answer" not in text


async def test_a_users_file_that_cannot_be_read_lets_nobody_in(rig: ConsoleRig, owner: Browser) -> None:
    rig.resources.users.path.write_text("users = 5")
    assert (await owner.get("/")).status_code == 503
    assert (await rig.browser().get("/health")).status_code == 200


async def test_a_static_file_with_a_null_character_is_not_found(rig: ConsoleRig) -> None:
    for path in ("/static/%00", "/static/console.css%00", "/static/" + "a" * 5_000):
        assert (await rig.browser().get(path)).status_code == 404
