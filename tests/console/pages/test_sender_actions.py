import pytest
from redis.asyncio import Redis

from tests.kit.console import Browser, text_of_page
from tests.kit.ledger import SENDER, Ledger
from times_dispatch.ledger.trail import Trail

PATH = f"/senders/{SENDER}"


async def test_a_sender_is_paused_and_resumed_with_its_campaigns_named(
    operator: Browser, ledger: Ledger, redis: Redis
) -> None:
    await ledger.submit(3)
    page = text_of_page((await operator.get(f"{PATH}/pause")).text)
    assert "1 live campaign with 3 messages wait until the sender is resumed." in page
    assert "diwali-sale" in page
    await operator.post(f"{PATH}/pause", {"reason": "holiday"})
    assert (await ledger.queries.sender(SENDER)).pause_reason == "holiday"
    assert "1 live campaign with 3 messages go out." in text_of_page((await operator.get(f"{PATH}/resume")).text)
    await operator.post(f"{PATH}/resume")
    assert not (await ledger.queries.sender(SENDER)).paused
    trail = await Trail(redis).newest([SENDER], limit=10)
    assert [(entry.action, entry.actor) for entry in trail[-2:]] == [
        ("sender paused", "omar (console)"),
        ("sender resumed", "omar (console)"),
    ]


async def test_a_rate_within_the_settings_is_set_after_a_confirmation(operator: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    page = text_of_page((await operator.get(f"{PATH}/rate?rate=0.5")).text)
    assert "1 live campaign with 3 messages go out at 0.5/s." in page
    assert "at 0.5/s they take at least 6.0 s" in page
    await operator.post(f"{PATH}/rate", {"rate": "0.5"})
    assert (await ledger.queries.sender(SENDER)).rate_per_s == 0
    await operator.post(f"{PATH}/rate", {"rate": "0.5", "confirmed": "0.5"})
    assert (await ledger.queries.sender(SENDER)).rate_per_s == 0.5


@pytest.mark.parametrize("rate", ["501", "0", "-1", "nan", "inf", "x", "0.001"])
async def test_a_rate_outside_the_bounds_of_the_settings_is_refused(
    operator: Browser, ledger: Ledger, rate: str
) -> None:
    await ledger.submit(3)
    await ledger.control.set_rate(SENDER, 100)
    assert (await operator.get(f"{PATH}/rate?rate={rate}")).status_code == 409
    response = await operator.post(f"{PATH}/rate", {"rate": rate, "confirmed": rate})
    assert response.status_code == 409
    assert (await ledger.queries.sender(SENDER)).rate_per_s == 100


async def test_an_unknown_sender_is_not_found(operator: Browser) -> None:
    assert (await operator.get("/senders/NOBODY/pause")).status_code == 404
