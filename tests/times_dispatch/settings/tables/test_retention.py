from pathlib import Path

import pytest

from tests.kit.settings import SETTINGS_FILE, Loader, Mistakes
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.tables.retention import parse_period_s


def test_without_the_table_nothing_is_archived(loaded: Loader) -> None:
    retention = loaded(SETTINGS_FILE).retention
    assert (retention.path, retention.live_s, retention.archive_s) == ("", 14 * 86_400, 366 * 86_400)


@pytest.mark.parametrize("path", ["/var/lib/archive", "s3://bucket/archive", "/var/lib/archive/"])
def test_the_folder_is_an_absolute_path_or_a_url(loaded: Loader, path: str) -> None:
    table = f'[retention]\npath = "{path}"\n'
    settings = loaded(SETTINGS_FILE + table, DISPATCH_ARCHIVE_KEY="k" * 16)
    assert settings.retention.path == path.rstrip("/")


def test_a_relative_folder_is_refused(mistakes: Mistakes) -> None:
    [mistake] = mistakes(f'{SETTINGS_FILE}[retention]\npath = "archive"\n')
    assert "must be an absolute path or a URL" in mistake


def test_a_folder_in_the_memory_of_one_process_is_refused(mistakes: Mistakes) -> None:
    [mistake] = mistakes(f'{SETTINGS_FILE}[retention]\npath = "memory://archive"\n')
    assert "must be a folder that outlives the process" in mistake


@pytest.mark.parametrize(("text", "seconds"), [("1y", 366 * 86_400), ("90d", 90 * 86_400), ("1s", 1)])
def test_periods_are_years_or_durations(text: str, seconds: int) -> None:
    assert parse_period_s(text) == seconds


@pytest.mark.parametrize("text", ["0y", "y", "0s", "1 y", "12y", ""])
def test_other_periods_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="as in 14d or 1y"):
        parse_period_s(text)


def test_a_process_that_archives_needs_the_key_only_if_there_is_an_archive(tmp_path: Path) -> None:
    need, path = frozenset({Need.ARCHIVE}), tmp_path / "dispatch.toml"
    path.write_text(SETTINGS_FILE)
    assert load(path, {}, need=need).archive_key == b""
    path.write_text(f'{SETTINGS_FILE}[retention]\npath = "/archive"\n')
    with pytest.raises(SettingsInvalid, match=r"DISPATCH_ARCHIVE_KEY: is not set .it wraps the keys of the archive"):
        load(path, {}, need=need)
    assert load(path, {"DISPATCH_ARCHIVE_KEY": "k" * 16}, need=need).archive_key == b"k" * 16
    assert load(path, {}, need=frozenset()).archive_key == b""
