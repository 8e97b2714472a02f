from redis.asyncio import Redis

from tests.kit.console import Browser, sent_campaign, text_of_page
from tests.kit.ledger import Ledger
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


async def test_viewers_look_up_no_numbers(viewer: Browser) -> None:
    assert (await viewer.get("/numbers")).status_code == 403
    assert 'href="/numbers"' not in (await viewer.get("/")).text
