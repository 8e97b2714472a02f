"""The words of states: every state of a message and of a campaign has a sign, and a place in the bar."""

from redis.asyncio import Redis

from console.words import BAR_ORDER, MEANINGS, STATE_SIGNS, sender_state, state_class, words_of
from tests.kit.ledger import PROVIDER, SENDER, Ledger
from times_dispatch.ledger.states import CampaignState, MessageState


def test_every_state_has_a_sign_a_meaning_and_a_place_in_the_bar() -> None:
    assert set(BAR_ORDER) == set(MessageState) == set(MEANINGS)
    assert {state.label for state in MessageState} | {state.value for state in CampaignState} <= set(STATE_SIGNS)
    assert words_of(MessageState.IN_DOUBT) == "in doubt"


async def test_a_sender_says_why_it_does_not_send(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(1)
    assert sender_state(await ledger.queries.sender(SENDER)) == "sends"
    await ledger.control.brake_provider(SENDER, PROVIDER, "insufficient balance (6001)")
    assert (
        sender_state(await ledger.queries.sender(SENDER))
        == f"provider {PROVIDER} is braked: insufficient balance (6001)"
    )
    assert state_class(await ledger.view()) == "waiting"
    await ledger.control.pause_sender(SENDER, reason="holiday")
    assert sender_state(await ledger.queries.sender(SENDER)) == "paused: holiday"


async def test_the_reason_of_a_sender_shows_no_phone_number(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.control.brake_provider(SENDER, PROVIDER, "no such subscriber: 919876543210")
    assert "9876543210" not in sender_state(await ledger.queries.sender(SENDER))
    await ledger.control.pause_sender(SENDER, reason="asked by 98765 43210")
    assert sender_state(await ledger.queries.sender(SENDER)).startswith("paused: asked by ")
    assert "43210" not in sender_state(await ledger.queries.sender(SENDER))
