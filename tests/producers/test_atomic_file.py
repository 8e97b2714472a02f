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
