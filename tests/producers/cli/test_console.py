import json
from pathlib import Path

from click.testing import CliRunner

from producers.cli import CliContext
from producers.cli.console import console
from times_dispatch.console_users import ConsoleRole, read_users

PASSWORD = "correct horse battery"


def _run(*arguments: str, typed: str = "", code: int = 0) -> str:
    options = CliContext(settings_path=Path("nowhere.toml"), redis_url=None)
    result = CliRunner().invoke(console, ["user", *arguments], input=typed, obj=options)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def test_users_are_added_changed_listed_and_removed(tmp_path: Path) -> None:
    file = ["--file", str(tmp_path / "users.toml")]
    assert "no users yet" in _run("list", *file)
    assert "asha is owner" in _run("add", "asha", "--role", "owner", "--password-stdin", *file, typed=PASSWORD + "\n")
    _run("add", "ravi", "--role", "viewer", "--by-proxy", *file)
    assert "asha is now viewer" in _run("add", "asha", "--role", "viewer", "--by-proxy", *file)
    assert [(name, user.role) for name, user in read_users(tmp_path / "users.toml").items()] == [
        ("asha", ConsoleRole.VIEWER),
        ("ravi", ConsoleRole.VIEWER),
    ]
    assert json.loads(_run("list", "--json", *file))[0] == {"name": "asha", "role": "viewer", "by_proxy": True}
    assert "by a proxy" in _run("list", *file)
    assert "ravi is removed" in _run("remove", "ravi", *file)
    assert list(read_users(tmp_path / "users.toml")) == ["asha"]


def test_a_short_password_a_bad_name_and_an_unknown_user_change_nothing(tmp_path: Path) -> None:
    file = ["--file", str(tmp_path / "users.toml")]
    _run("add", "asha", "--role", "owner", "--password-stdin", *file, typed="short\n", code=1)
    _run("add", "a b", "--role", "owner", "--by-proxy", *file, code=1)
    _run("add", "asha", "--role", "owner", *file, code=1)
    _run("remove", "asha", *file, code=1)
    assert not (tmp_path / "users.toml").exists()
