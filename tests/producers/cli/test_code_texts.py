from dataclasses import dataclass, field
from pathlib import Path

from producers.cli import CliContext
from producers.cli.code_texts import CodeTexts
from tests.kit.observation import campaign_view
from tests.kit.producers import SETTINGS, load_settings
from times_dispatch.ledger.states import CampaignState
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings


@dataclass(frozen=True)
class CountingContext(CliContext):
    """Counts how often a command loads the settings."""

    loads: list[tuple[Need, ...]] = field(default_factory=list)

    def settings(self, *needs: Need) -> Settings:
        self.loads.append(needs)
        return load_settings(self.settings_path)


def test_the_settings_are_loaded_once_and_only_for_codes_of_a_provider(tmp_path: Path) -> None:
    path = tmp_path / "dispatch.toml"
    path.write_text(SETTINGS, "utf-8")
    options = CountingContext(path, None)
    texts, view = CodeTexts(options), campaign_view(CampaignState.RUNNING)

    reported = texts.of(view)("report:912"), texts.of(view)("suppressed:34")
    assert (reported, options.loads) == (("inbox full", "a dead number"), [])

    pushed = [texts.of(view)("push:2054") for _ in range(3)]
    assert (pushed, len(options.loads)) == (["invalid mobile number"] * 3, 1)
