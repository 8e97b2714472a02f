"""The words of states: every state has a sign, a place in the bar, and a colour that can be read."""

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

import console
from console.words import BAR_ORDER, MEANINGS, STATE_SIGNS, sender_state, state_class, words_of
from tests.kit.ledger import PROVIDER, SENDER, Ledger
from times_dispatch.ledger.states import CampaignState, MessageState


def test_every_state_has_a_sign_a_meaning_and_a_place_in_the_bar() -> None:
    assert set(BAR_ORDER) == set(MessageState) == set(MEANINGS)
    assert {state.label for state in MessageState} | {state.value for state in CampaignState} <= set(STATE_SIGNS)
    assert words_of(MessageState.IN_DOUBT) == "in doubt"


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour of CSS, as WCAG defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1, 2])
def test_the_colours_of_states_and_texts_have_enough_contrast_on_every_surface(theme: int) -> None:
    css = (Path(console.__file__).parent / "static" / "console.css").read_text("utf-8")
    block = [block for block in re.findall(r"\{([^{}]*)\}", css) if "--calm:" in block][theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", block))
    for name in ("text", "muted", "accent", "good", "way", "bad", "doubt", "calm", "kept"):
        for surface in ("bg", "card", "accent-soft"):
            darker, lighter = sorted((_luminance(colours[name]), _luminance(colours[surface])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (name, surface)


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
