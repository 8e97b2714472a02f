import re

import pytest
from redis.asyncio import Redis

from producers.resend.resender import Resender
from tests.kit.console import Browser, sent_campaign, text_of_page
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.errors import WorkerTooOld
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.trail import Trail

PATH = f"/campaigns/{CAMPAIGN}/resend"


async def test_a_resend_shows_number_and_cost_and_makes_a_campaign(
    operator: Browser, ledger: Ledger, redis: Redis
) -> None:
    await sent_campaign(ledger, provider="tm", template="bill")
    failed = (await ledger.view()).counts[MessageState.FAILED]
    choice = text_of_page((await operator.get(PATH)).text)
    assert f"failed: {failed} (a report says that it did not arrive)" in choice
    page = text_of_page((await operator.get(f"{PATH}?state=failed")).text)
    assert f"{failed} messages in {failed} parts" in page
    response = await operator.post(PATH, {"state": "failed", "messages": str(failed)})
    match = re.fullmatch(r"/campaigns/(\w{8})", response.headers["location"])
    assert match
    child = await ledger.queries.campaign(match[1])  # type: ignore[arg-type]
    assert (child.total, child.plan.resend_of) == (failed, CAMPAIGN)
    [entry] = [entry for entry in await Trail(redis).newest([SENDER], limit=10) if entry.action == "resent"]
    assert entry.actor == "omar (console)"
    again = text_of_page((await operator.get(f"{PATH}?state=failed")).text)
    assert "No message is left to resend" in again


async def test_a_number_that_has_changed_meanwhile_is_shown_again(operator: Browser, ledger: Ledger) -> None:
    await sent_campaign(ledger, provider="tm", template="bill")
    await operator.get(PATH)
    response = await operator.post(PATH, {"state": "failed", "messages": "1"})
    assert (response.status_code, "have changed meanwhile" in response.text) == (409, True)
    assert (await operator.post(PATH, {"state": "delivered", "messages": "1"})).status_code == 409
    assert len(await ledger.queries.campaigns()) == 1


async def test_a_refusal_of_the_ledger_is_shown_on_the_page(
    operator: Browser, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent_campaign(ledger, provider="tm", template="bill")
    failed = (await ledger.view()).counts[MessageState.FAILED]

    async def refuse(*_: object, **__: object) -> None:
        raise WorkerTooOld(CAMPAIGN, "host:1", "0.1", knows_no="lanes")

    monkeypatch.setattr(Resender, "submit", refuse)
    await operator.get(f"{PATH}?state=failed")
    response = await operator.post(PATH, {"state": "failed", "messages": str(failed)})
    assert response.status_code == 409
    assert "the worker host:1 is of a version that knows no lanes" in text_of_page(response.text)
