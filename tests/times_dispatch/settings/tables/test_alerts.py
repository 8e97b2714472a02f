"""``[alerts]`` and the addresses of its targets."""

from pathlib import Path

import pytest

from tests.kit.callbacks import SETTINGS
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings
from times_dispatch.settings.tables.alerts import url_variable

TABLES = """
[alerts]
name = "production"
repeat = "1h"

[alerts.targets.on-call]
kinds = ["braked", "no_worker"]
repeat = "0s"

[alerts.targets.marketing]
kinds = ["finished"]
"""
URL = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


def loaded(tmp_path: Path, tables: str = TABLES, **variables: str) -> Settings:
    path = tmp_path / "dispatch.toml"
    path.write_text(SETTINGS + tables, "utf-8")
    return load(path, variables, need=frozenset({Need.ALERTS}))


def test_addresses_come_from_the_environment_or_from_files_and_are_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "marketing"
    file.write_text(f"{URL}\n")
    settings = loaded(tmp_path, DISPATCH_ALERTS_ON_CALL_URL=URL, DISPATCH_ALERTS_MARKETING_URL_FILE=str(file))
    assert settings.alert_urls == {"on-call": URL, "marketing": URL}
    assert URL not in repr(settings)
    assert settings.alerts.repeat_s("on-call") == 0
    assert settings.alerts.repeat_s("marketing") == 3600


def test_an_address_that_is_missing_or_none_is_named_by_its_variable_only(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        loaded(tmp_path, DISPATCH_ALERTS_ON_CALL_URL="hooks.slack.com/secret")
    text = str(raised.value)
    assert "DISPATCH_ALERTS_ON_CALL_URL: must be an address of apprise" in text
    assert "DISPATCH_ALERTS_MARKETING_URL: is not set (the address of alerts marketing)" in text
    assert "secret" not in text.replace("secrets", "")


@pytest.mark.parametrize(
    ("tables", "mistake"),
    [
        ('[alerts.targets.a]\nkinds = ["braked", "brakd"]', "there is no kind 'brakd' of alert; did you mean braked?"),
        ('[alerts.targets.a]\nsenders = ["NOBODY"]', "there is no sender NOBODY"),
        ('[alerts.targets."1a"]', "the name of a target is a letter"),
        ('[alerts]\nrepeat = "often"', "must be days, hours"),
        ('[alerts]\nworker_away_after = "0s"', "must be days, hours"),
        ("[alerts]\nbudget_share = 1.1", "must be at most 1"),
        ("[alerts]\ncomplaints_from = 0", "must be at least 1"),
        ('[alerts.targets.a]\nurl = "slack://a"', "url"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, tables: str, mistake: str) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        loaded(tmp_path, tables, DISPATCH_ALERTS_A_URL=URL)
    assert mistake in str(raised.value)


def test_two_targets_of_one_variable_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="DISPATCH_ALERTS_A_B_URL: belongs to both a-b and a_b"):
        loaded(tmp_path, "[alerts.targets.a-b]\n[alerts.targets.a_b]\n", DISPATCH_ALERTS_A_B_URL=URL)


def test_the_variable_of_a_target_has_capitals_and_underscores() -> None:
    assert url_variable("on-call2") == "DISPATCH_ALERTS_ON_CALL2_URL"
