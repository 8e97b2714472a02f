import os
import threading
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from times_dispatch.console_users import (
    ConsoleRole,
    ConsoleUser,
    ConsoleUsers,
    ConsoleUsersInvalid,
    check_user_name,
    read_users,
    write_users,
)

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"


def _users(path: Path) -> ConsoleUsers:
    return ConsoleUsers(path, hasher=CHEAP)


def test_a_user_is_found_by_name_and_password_only(tmp_path: Path) -> None:
    users = _users(tmp_path / "users.toml")
    assert users.with_password("asha", PASSWORD) is None
    asha = ConsoleUser(name="asha", role=ConsoleRole.OWNER, password=users.hashed(PASSWORD))
    proxy = ConsoleUser(name="ravi", role=ConsoleRole.VIEWER)
    write_users(users.path, {"asha": asha, "ravi": proxy})
    assert users.with_password("asha", PASSWORD) == asha
    assert users.with_password("asha", PASSWORD + "x") is None
    assert users.with_password("nobody", PASSWORD) is None
    assert users.with_password("ravi", "") is None
    assert users.with_password("ravi", "the password of a user who does not exist") is None


def test_only_the_owner_can_read_the_file_and_it_keeps_no_password(tmp_path: Path) -> None:
    path = tmp_path / "users.toml"
    write_users(path, {"asha": ConsoleUser(name="asha", role=ConsoleRole.OWNER, password=CHEAP.hash(PASSWORD))})
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text()
    assert "$argon2id$" in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["users.toml"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    users = _users(tmp_path / "users.toml")
    write_users(users.path, {"a.b@c": ConsoleUser(name="a.b@c", role=ConsoleRole.VIEWER)})
    assert users.all()["a.b@c"].role is ConsoleRole.VIEWER
    write_users(users.path, {"a.b@c": ConsoleUser(name="a.b@c", role=ConsoleRole.OPERATOR)})
    assert users.all()["a.b@c"].role is ConsoleRole.OPERATOR


@pytest.mark.parametrize(
    "text",
    [
        "users = 5",
        "[users.a]\nrole = 'king'",
        "[users.a]\n",
        "[users.'../x']\nrole='viewer'",
        "{",
        "\xff",
        "users = " + "[" * 30_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConsoleUsersInvalid, match="is no users file"):
        read_users(path)


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    users = _users(tmp_path / "users.toml")
    write_users(users.path, {})
    users.path.chmod(0o666)
    with pytest.raises(ConsoleUsersInvalid, match="chmod 600"):
        users.all()


def test_a_pipe_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "device").symlink_to("/dev/zero")
    reasons = list[str]()

    def read() -> None:
        for name in ("pipe", "device"):
            try:
                _users(tmp_path / name).all()
            except ConsoleUsersInvalid as invalid:
                reasons.append(str(invalid))

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(5)
    assert reasons == [f"{tmp_path / name}: is no regular file" for name in ("pipe", "device")]


def test_a_file_without_an_end_is_refused(tmp_path: Path) -> None:
    users = _users(tmp_path / "users.toml")
    write_users(users.path, {})
    os.truncate(users.path, 10**12)  # a sparse file, which takes no space on the disk
    with pytest.raises(ConsoleUsersInvalid, match="it has more than 16,000,000 bytes"):
        users.all()


@pytest.mark.parametrize("password", ["short", "x" * 11, "x" * 201])
def test_a_password_has_a_least_and_a_greatest_length(tmp_path: Path, password: str) -> None:
    with pytest.raises(ValueError, match="12 to 200"):
        _users(tmp_path / "users.toml").hashed(password)


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 65, "a/b", "<b>", "ą"])
def test_a_name_has_plain_letters(name: str) -> None:
    with pytest.raises(ValueError, match="a user's name"):
        check_user_name(name)


def test_each_role_includes_the_roles_before_it() -> None:
    assert ConsoleRole.OWNER.includes(ConsoleRole.VIEWER)
    assert ConsoleRole.OPERATOR.includes(ConsoleRole.OPERATOR)
    assert not ConsoleRole.VIEWER.includes(ConsoleRole.OPERATOR)


def test_a_user_shows_no_hash() -> None:
    assert "secret" not in repr(ConsoleUser(name="asha", role=ConsoleRole.OWNER, password="secret"))
