import os
from pathlib import Path

import pytest

from producers.atomic_file import open_atomic
from producers.errors import CommandFailed


def test_the_file_appears_when_the_block_ends_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"

    with open_atomic(path) as file:
        file.write("नमस्ते\r\n")
        assert not path.exists()

    assert path.read_bytes() == "नमस्ते\r\n".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail_half_way() -> None:
        with open_atomic(path) as file:
            file.write("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("before", "after"), [(None, 0o644), (0o640, 0o640)])
def test_a_world_readable_file_keeps_the_permissions_of_the_older_one(
    tmp_path: Path, before: int | None, after: int
) -> None:
    path = tmp_path / "a.toml"
    if before is not None:
        path.write_text("old")
        path.chmod(before)

    with open_atomic(path, world_readable=True) as file:
        file.write("new")

    assert path.stat().st_mode & 0o777 == after


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    missing = open_atomic(tmp_path / "none" / "a.csv")

    with pytest.raises(CommandFailed, match=r"none/a\.csv: cannot be written: no such file or directory"), missing:
        pass


def test_a_link_is_neither_followed_nor_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "a.csv"
    target.write_text("precious")
    link.symlink_to(target)

    with pytest.raises(CommandFailed, match=r"a\.csv: cannot be written: it is a link"), open_atomic(link) as file:
        file.write("new")

    assert (target.read_text(), link.is_symlink()) == ("precious", True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "target"]


def test_a_link_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    link = tmp_path / "a.csv"

    with pytest.raises(CommandFailed, match="it is a link"), open_atomic(link):
        link.symlink_to("elsewhere")

    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


def test_a_pipe_and_a_folder_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    for name in ("pipe", "folder"):
        with pytest.raises(CommandFailed, match="it is not a regular file"), open_atomic(tmp_path / name):
            pass


def test_a_file_of_another_user_is_not_replaced_unless_everybody_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("theirs")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(CommandFailed, match="it belongs to another user"), open_atomic(path):
        pass
    assert path.read_text() == "theirs"
    with open_atomic(path, world_readable=True) as file:
        file.write("registry")
    assert path.read_text() == "registry"
