"""The effect of an action in words, with numbers and cost."""

from pathlib import Path

from console.figures.action_effects import cancel_effect, pause_effect, rate_effect, resume_effect, unsent_in_words
from console.formats import Formats
from tests.kit.ledger import SENDER, Ledger
from tests.kit.producers import SETTINGS, load_settings
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.settings.model import Settings

F = Formats()


def _settings(folder: Path) -> Settings:
    path = folder / "dispatch.toml"
    path.write_text(SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nprice_per_part = "Rs 0.12"'))
    return load_settings(path)


async def test_unsent_messages_are_named_with_their_cost(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.submit(12_304, batch_size=1_000)
    words = unsent_in_words(await ledger.view(), _settings(tmp_path), F)
    assert words == "12,304 messages (about Rs 1,476.48)"


async def test_effects_say_what_a_person_should_know(ledger: Ledger, tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    await ledger.submit(3)
    await ledger.push(b"aia")
    view, sender = await ledger.view(), await ledger.queries.sender(SENDER)
    assert "Messages in doubt are never sent again: 1." in cancel_effect(view, settings, F).lines
    assert not resume_effect(view, sender, settings, F).is_possible
    await ledger.control.campaign(SENDER, CampaignId(view.id), ControlAction.BRAKE, reason="too many rejected")
    await ledger.control.pause_sender(SENDER)
    view, sender = await ledger.view(), await ledger.queries.sender(SENDER)
    effect = resume_effect(view, sender, settings, F)
    assert effect.is_possible
    assert len(effect.lines) == 2
    assert not pause_effect(view, settings, F).is_possible


async def test_another_rate_says_how_long_the_rest_takes(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.submit(600, batch_size=600)
    await ledger.control.set_rate(SENDER, 100)
    effect = rate_effect(await ledger.queries.sender(SENDER), 50, [await ledger.view()], _settings(tmp_path), F)
    assert effect.lines[0] == "At 100/s they take at least 6.0 s, at 50/s they take at least 12 s."


async def test_a_campaign_with_a_lower_rate_of_its_own_limits_how_quickly_the_rest_is_sent(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ledger.submit(600, batch_size=600)
    slow = await ledger.submit(600, batch_size=600, campaign="slow", rate_per_s=3)
    sender, settings = await ledger.queries.sender(SENDER), _settings(tmp_path)
    views = [await ledger.view(), await ledger.queries.campaign(slow)]
    line = "At no limit they take at least 3 min 20 s, at 2/s they take at least 10 min."
    assert rate_effect(sender, 2, views, settings, F).lines[0] == line
    other = "At no limit they take as long as the provider needs, at 100/s they take at least 6.0 s."
    assert rate_effect(sender, 100, views[:1], settings, F).lines[0] == other
