import re
from itertools import compress

import pytest
from redis.asyncio import Redis

from producers.resend.resender import Resender
from tests.kit.console import Browser, sent_campaign, text_of_page
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.batch_columns import read_batches
from times_dispatch.ledger.errors import WorkerTooOld
from times_dispatch.ledger.model import RetryRule, SenderId
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.trail import Trail

PATH = f"/campaigns/{CAMPAIGN}/resend"


async def test_a_resend_shows_number_and_cost_and_makes_a_campaign(
    operator: Browser, ledger: Ledger, redis: Redis
) -> None:
    await sent_campaign(ledger, provider="tm", template="bill")
    failed = (await ledger.view()).counts[MessageState.FAILED]
    choice = text_of_page((await operator.get(PATH)).text)
    assert f"failed: {failed} (a report says that the message did not arrive)" in choice
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


async def test_the_page_says_that_the_sender_is_paused(operator: Browser, ledger: Ledger) -> None:
    await sent_campaign(ledger, provider="tm", template="bill")
    assert "It begins at once" in text_of_page((await operator.get(f"{PATH}?state=failed")).text)
    await ledger.control.pause_sender(SENDER, reason="told by +919876543210")
    page = text_of_page((await operator.get(f"{PATH}?state=failed")).text)
    assert f"The sender {SENDER} sends nothing now: it is paused (told by …)." in page
    assert "It begins at once" not in page


async def test_a_state_that_cannot_be_resent_is_an_error(operator: Browser, ledger: Ledger) -> None:
    await sent_campaign(ledger, provider="tm", template="bill")
    response = await operator.get(f"{PATH}?state=failed&state=delivered")
    assert response.status_code == 400
    assert "The address has state=delivered. Possible: " in response.text
    assert "failed" in response.text.partition("Possible: ")[2]


async def test_the_page_says_how_many_messages_would_be_suppressed_and_why(
    operator: Browser, ledger: Ledger, redis: Redis
) -> None:
    await sent_campaign(ledger, provider="tm", template="bill")
    assert "suppressed" not in text_of_page((await operator.get(f"{PATH}?state=failed")).text)
    [batch] = [batch async for batch in read_batches(redis, await ledger.view())]
    is_failed = [state == MessageState.FAILED.value for state in batch.records.states]
    failed = list(compress(batch.recipients.to, is_failed))
    await OptOuts(redis).add(failed[:1])
    await DeadNumbers(redis, DeadNumberRule(codes=frozenset({910}), keep_days=180)).add({failed[1]: 910})
    page = text_of_page((await operator.get(f"{PATH}?state=failed")).text)
    assert "1 of them will be suppressed: on the opt-out list." in page
    assert "1 of them will be suppressed: a dead number." in page


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


async def test_no_resend_is_offered_while_second_tries_may_follow_and_the_pages_say_why(
    operator: Browser, viewer: Browser, ledger: Ledger
) -> None:
    rule = RetryRule(codes=[912], after_s=[900], at_most=1)
    await sent_campaign(ledger, provider="tm", template="bill", retry=rule)
    why = "may send failed messages again by its rule (retry_failed); wait until it is finished, or cancel it first"
    page = await operator.get(f"/campaigns/{CAMPAIGN}")
    assert f'href="{PATH}"' not in page.text
    assert f"No resend now: {why}." in text_of_page(page.text)
    assert "No resend now" not in (await viewer.get(f"/campaigns/{CAMPAIGN}")).text
    for path in (PATH, f"{PATH}?state=failed"):
        response = await operator.get(path)
        assert (response.status_code, "<fieldset" in response.text) == (200, False)
        assert f"No resend now: {why}." in text_of_page(response.text)
    response = await operator.post(PATH, {"state": "failed", "messages": "3"})
    assert (response.status_code, why in text_of_page(response.text)) == (409, True)

    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    assert f'href="{PATH}"' in (await operator.get(f"/campaigns/{CAMPAIGN}")).text
    assert "<fieldset" in (await operator.get(PATH)).text


async def test_a_resend_of_cancelled_messages_is_offered(operator: Browser, ledger: Ledger) -> None:
    await ledger.submit(3, provider="tm", template="bill")
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    await ledger.maintenance.end_pending(SENDER)
    assert f'href="{PATH}"' in (await operator.get(f"/campaigns/{CAMPAIGN}")).text
    page = text_of_page((await operator.get(f"{PATH}?state=cancelled")).text)
    assert "3 messages in 3 parts" in page


async def test_without_its_sender_in_the_settings_a_campaign_has_no_resend(operator: Browser, ledger: Ledger) -> None:
    gone = SenderId("GONE01")
    await ledger.submit(3, provider="tm", template="bill", sender=gone)
    await ledger.control.campaign(gone, CAMPAIGN, ControlAction.CANCEL)
    await ledger.maintenance.end_pending(gone)
    page = await operator.get(f"/campaigns/{CAMPAIGN}")
    assert f'href="{PATH}"' not in page.text
    refusal = "No resend now: its sender GONE01 is not in the settings any more: add the sender again."
    assert refusal in text_of_page(page.text)
