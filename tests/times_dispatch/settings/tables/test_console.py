from pathlib import Path

import pytest

from tests.kit.settings import SETTINGS_FILE, VARIABLES
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

SECRET = "s" * 32


def _load(folder: Path, text: str = "", **variables: str) -> Settings:
    path = folder / "dispatch.toml"
    path.write_text(f"{SETTINGS_FILE}\n{text}")
    given = {**VARIABLES, "DISPATCH_CONSOLE_SECRET": SECRET, **variables}
    return load(path, given, need=frozenset({Need.LEDGER, Need.CONSOLE}))


def test_the_users_file_stands_beside_the_settings_unless_a_variable_names_it(tmp_path: Path) -> None:
    assert _load(tmp_path).console.users == str(tmp_path / "console-users.toml")
    assert _load(tmp_path, DISPATCH_CONSOLE_USERS="/run/users").console.users == "/run/users"


def test_without_settings_the_console_listens_on_this_host_with_secure_cookies(tmp_path: Path) -> None:
    console = _load(tmp_path).console
    assert (console.listen, console.has_secure_cookies, console.session_s) == ("127.0.0.1:8089", True, 12 * 3600)
    assert _load(tmp_path, DISPATCH_CONSOLE_LISTEN="0.0.0.0:9").console.listen == "0.0.0.0:9"


def test_an_address_with_http_gives_cookies_without_tls(tmp_path: Path) -> None:
    assert not _load(tmp_path, '[console]\npublic_url = "http://console.lan"').console.has_secure_cookies
    assert _load(tmp_path, '[console]\npublic_url = "https://console.lan"').console.has_secure_cookies


@pytest.mark.parametrize("secret", ["", "s" * 31])
def test_the_secret_is_needed_and_long(tmp_path: Path, secret: str) -> None:
    with pytest.raises(SettingsInvalid, match="DISPATCH_CONSOLE_SECRET"):
        _load(tmp_path, DISPATCH_CONSOLE_SECRET=secret)


@pytest.mark.parametrize(
    "line", ['session = "never"', 'user_header = "X User"', 'trusted_proxies = ["everybody"]', 'listen = "8089"']
)
def test_a_value_outside_its_limits_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsInvalid, match=line.partition(" ")[0]):
        _load(tmp_path, f"[console]\n{line}")
