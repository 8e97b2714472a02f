"""The file ``.env`` beside the settings file gives variables that the environment does not give."""

from pathlib import Path

import pytest

from times_dispatch.settings.env_file import EnvFileUnreadable, with_env_file
from times_dispatch.settings.errors import SettingsInvalid


@pytest.fixture
def settings_path(tmp_path: Path) -> Path:
    (tmp_path / ".env").write_text(
        "# a comment\nDISPATCH_REDIS_URL=redis://host:6379/0\nDISPATCH_ID_KEY='a # b'\n"
        "DISPATCH_CALLBACK_SECRET_FILE=secrets/callback\n"
    )
    return tmp_path / "dispatch.toml"


def test_the_file_gives_variables_and_its_paths_begin_at_its_folder(settings_path: Path) -> None:
    assert with_env_file({"HOME": "/root"}, settings_path) == {
        "HOME": "/root",
        "DISPATCH_REDIS_URL": "redis://host:6379/0",
        "DISPATCH_ID_KEY": "a # b",
        "DISPATCH_CALLBACK_SECRET_FILE": str(settings_path.parent / "secrets/callback"),
    }


@pytest.mark.parametrize(
    "given",
    [
        {"DISPATCH_REDIS_URL": "redis://other/0", "DISPATCH_ID_KEY": "b", "DISPATCH_CALLBACK_SECRET_FILE": "/c"},
        {"DISPATCH_REDIS_URL_FILE": "/a", "DISPATCH_ID_KEY_FILE": "/b", "DISPATCH_CALLBACK_SECRET": "c"},
    ],
    ids=["same form as the file", "other form than the file"],
)
def test_the_environment_overrides_the_file_in_either_form(settings_path: Path, given: dict[str, str]) -> None:
    assert with_env_file(given, settings_path) == given


def test_no_file_gives_nothing(tmp_path: Path) -> None:
    assert with_env_file({"A": "b"}, tmp_path / "dispatch.toml") == {"A": "b"}


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"A=b\nC=\xff", ".env:2: cannot be read: it is not UTF-8"),
        (b"A='b", ".env: cannot be read: no closing quotation"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_mistake(tmp_path: Path, content: bytes, mistake: str) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsInvalid) as invalid:
        with_env_file({}, tmp_path / "dispatch.toml")
    assert list(invalid.value.mistakes) == [f"{tmp_path}/{mistake}"]


def test_a_letter_that_is_not_utf8_concerns_its_own_line_only(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"# f\xfcr Asha\nDISPATCH_ID_KEY=\xff\nDISPATCH_REDIS_URL=redis://h\n")
    variables = with_env_file({}, tmp_path / "dispatch.toml", needed="DISPATCH_REDIS_")
    assert variables == {"DISPATCH_REDIS_URL": "redis://h"}
    (tmp_path / ".env").write_bytes(b"DISPATCH_REDIS_URL=redis://h\xff\n")
    with pytest.raises(SettingsInvalid, match=r"\.env:1: cannot be read: it is not UTF-8"):
        with_env_file({}, tmp_path / "dispatch.toml", needed="DISPATCH_REDIS_")


def test_a_file_in_utf16_is_refused_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISPATCH_REDIS_URL=redis://h\n", encoding="utf-16")
    with pytest.raises(EnvFileUnreadable, match=r"\.env: cannot be read: it is UTF-16; save it as UTF-8"):
        with_env_file({}, tmp_path / "dispatch.toml", needed="DISPATCH_REDIS_")


@pytest.mark.parametrize("value", [b"redis://h\xff", b"'redis://h", b"redis://a b"])
def test_a_mistake_in_a_variable_that_the_environment_gives_is_ignored(tmp_path: Path, value: bytes) -> None:
    (tmp_path / ".env").write_bytes(b"DISPATCH_REDIS_URL=" + value + b"\nDISPATCH_REDIS_PASSWORD=p\n")
    given = {"DISPATCH_REDIS_URL": "redis://other"}
    variables = with_env_file(given, tmp_path / "dispatch.toml", needed="DISPATCH_REDIS_")
    assert variables == {**given, "DISPATCH_REDIS_PASSWORD": "p"}


def test_a_byte_order_mark_hides_no_variable(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfDISPATCH_REDIS_URL=redis://h\r\n")
    assert with_env_file({}, tmp_path / "dispatch.toml") == {"DISPATCH_REDIS_URL": "redis://h"}


def test_a_file_that_cannot_be_opened_is_told_apart_from_a_mistake_in_it(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(EnvFileUnreadable, match=r"\.env: cannot be read: is a directory"):
        with_env_file({}, tmp_path / "dispatch.toml", needed="DISPATCH_REDIS_")


@pytest.mark.parametrize("line", ["DISPATCH_ID_KEY=ab#cd", "DISPATCH_ID_KEY = a b"])
def test_a_value_that_would_lose_its_end_is_refused_without_the_value(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"# A = b\n{line}\n")
    with pytest.raises(SettingsInvalid) as invalid:
        with_env_file({}, tmp_path / "dispatch.toml")
    refusal = "DISPATCH_ID_KEY: a value with a blank or # stands in quotes"
    assert list(invalid.value.mistakes) == [f"{tmp_path}/.env: {refusal}"]


def test_a_mistake_in_a_variable_that_is_not_needed_is_ignored(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISPATCH_ID_KEY=a b\nDISPATCH_REDIS_URL=redis://h\n")
    variables = with_env_file({}, tmp_path / "dispatch.toml", needed="DISPATCH_REDIS_")
    assert variables["DISPATCH_REDIS_URL"] == "redis://h"
    (tmp_path / ".env").write_text("DISPATCH_REDIS_PASSWORD=a b\n")
    with pytest.raises(SettingsInvalid, match="DISPATCH_REDIS_PASSWORD: a value with a blank"):
        with_env_file({}, tmp_path / "dispatch.toml", needed="DISPATCH_REDIS_")


@pytest.mark.parametrize("line", ['DISPATCH_ALERTS_OPS_URL="https://h', "DISPATCH_ID_KEY='a"])
def test_an_unclosed_quote_in_a_variable_that_is_not_needed_is_ignored(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"{line}\nDISPATCH_REDIS_URL=redis://h\n")
    needed = ("DISPATCH_REDIS_", "DISPATCH_BROKER_")
    variables = with_env_file({}, tmp_path / "dispatch.toml", needed=needed)
    assert variables == {"DISPATCH_REDIS_URL": "redis://h"}
    with pytest.raises(SettingsInvalid, match="cannot be read: no closing quotation"):
        with_env_file({}, tmp_path / "dispatch.toml")
    (tmp_path / ".env").write_text('DISPATCH_REDIS_URL="redis://h\n')
    with pytest.raises(SettingsInvalid, match="cannot be read: no closing quotation"):
        with_env_file({}, tmp_path / "dispatch.toml", needed=needed)
