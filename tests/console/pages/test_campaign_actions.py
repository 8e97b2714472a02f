"""Actions show their effect, need a confirmation, and are recorded in the trail with the name of the user."""

import pytest
from redis.asyncio import Redis

from tests.kit.console import Browser, text_of_page
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.trail import Trail, TrailEntry

PATH = f"/campaigns/{CAMPAIGN}"


async def _trail(redis: Redis) -> list[TrailEntry]:
    return await Trail(redis).newest([SENDER], limit=10)


async def test_a_pause_and_a_resume_stand_in_the_trail_with_the_user(
    operator: Browser, ledger: Ledger, redis: Redis
) -> None:
    await ledger.submit(3)
    page = text_of_page((await operator.get(f"{PATH}/pause")).text)
    assert "3 messages wait until the campaign is resumed." in page
    response = await operator.post(f"{PATH}/pause", {"state": "running", "reason": "a wrong price"})
    assert response.headers["location"] == PATH
    assert "The campaign is paused." in (await operator.get(PATH)).text
    assert "The campaign is paused." not in (await operator.get(PATH)).text
    assert await ledger.state() is CampaignState.PAUSED
    assert "3 messages go out." in text_of_page((await operator.get(f"{PATH}/resume")).text)
    await operator.post(f"{PATH}/resume", {"state": "paused"})
    assert await ledger.state() is CampaignState.RUNNING
    assert [(entry.action, entry.actor, entry.detail) for entry in (await _trail(redis))[-2:]] == [
        ("paused", "omar (console)", "a wrong price"),
        ("resumed", "omar (console)", ""),
    ]


async def test_a_cancel_needs_the_tick_and_names_what_is_lost(operator: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    page = text_of_page((await operator.get(f"{PATH}/cancel")).text)
    assert "3 messages are never sent. This cannot be undone." in page
    assert (await operator.post(f"{PATH}/cancel", {"state": "running"})).status_code == 409
    assert await ledger.state() is CampaignState.RUNNING
    await operator.post(f"{PATH}/cancel", {"state": "running", "sure": "yes"})
    assert await ledger.state() is CampaignState.CANCELLED


async def test_a_campaign_that_changed_since_the_page_was_read_is_shown_again(
    operator: Browser, ledger: Ledger
) -> None:
    await ledger.submit(3)
    await operator.get(f"{PATH}/pause")
    await operator.post(f"{PATH}/pause", {"state": "running"})
    response = await operator.post(f"{PATH}/cancel", {"state": "running", "sure": "yes"})
    assert (response.status_code, "has changed meanwhile" in response.text) == (409, True)
    assert await ledger.state() is CampaignState.PAUSED


@pytest.mark.parametrize("name", ["pause", "resume", "cancel"])
async def test_an_action_that_changes_nothing_is_not_offered(operator: Browser, ledger: Ledger, name: str) -> None:
    await ledger.submit(1)
    await ledger.send_all()
    assert f"there is nothing to {name}" in text_of_page((await operator.get(f"{PATH}/{name}")).text)


async def test_an_action_on_a_campaign_that_waits_for_its_sender_says_for_what_it_waits(
    operator: Browser, ledger: Ledger, redis: Redis
) -> None:
    await ledger.submit(1)
    await Control(redis).pause_sender(SENDER)
    assert "The campaign is waiting for the sender: there is nothing to resume." in text_of_page(
        (await operator.get(f"{PATH}/resume")).text
    )
