from dataclasses import replace
from pathlib import Path

from redis.asyncio import Redis

from tests.kit.archive import KEY, ended_campaign, retention
from tests.kit.console import Browser, ConsoleRig, sent_campaign, text_of_page
from tests.kit.ledger import CAMPAIGN, Ledger
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.trail import Trail


async def test_a_number_is_masked_and_its_look_up_stands_in_the_trail(
    operator: Browser, ledger: Ledger, redis: Redis
) -> None:
    await sent_campaign(ledger)
    await operator.get("/numbers")
    html = (await operator.post("/numbers", {"number": "+91 98000 00005"})).text
    assert "919800000005" not in html
    assert "9198*****005" in html
    assert "diwali-sale" in html
    assert "invalid mobile number" in text_of_page(html)
    [entry] = await Trail(redis).newest([OPT_OUTS], limit=5)
    assert (entry.actor, entry.action, entry.detail) == ("omar (console)", "exported", "one number")


async def test_a_text_that_is_no_number_is_refused_and_not_repeated(operator: Browser, redis: Redis) -> None:
    await operator.get("/numbers")
    response = await operator.post("/numbers", {"number": "<b>12</b>"})
    assert (response.status_code, "<b>12" in response.text) == (422, False)
    assert await Trail(redis).newest([OPT_OUTS], limit=5) == []


async def test_a_number_without_messages_says_so(operator: Browser) -> None:
    await operator.get("/numbers")
    response = await operator.post("/numbers", {"number": "9876543210"})
    assert "No campaign has a message to this number." in response.text


async def test_archived_campaigns_are_searched_with_the_key_and_named_without_it(
    rig: ConsoleRig, operator: Browser, ledger: Ledger, tmp_path: Path
) -> None:
    await ended_campaign(ledger)
    assert (await retention(ledger.redis, tmp_path).run()).archived == [CAMPAIGN]
    await operator.get("/numbers")
    without = (await operator.post("/numbers", {"number": "919800000001"})).text
    assert "cannot be opened here without DISPATCH_ARCHIVE_KEY" in text_of_page(without)
    with_key = ConsoleRig(replace(rig.resources, settings=replace(rig.resources.settings, archive_key=KEY)))
    browser = with_key.logged_in(ConsoleRole.OPERATOR)
    await browser.get("/numbers")
    html = (await browser.post("/numbers", {"number": "919800000001"})).text
    await with_key.close()
    assert f'href="/campaigns/{CAMPAIGN}"' in html
    assert "Left out" not in text_of_page(html)


async def test_viewers_look_up_no_numbers(viewer: Browser) -> None:
    assert (await viewer.get("/numbers")).status_code == 403
    assert 'href="/numbers"' not in (await viewer.get("/")).text
