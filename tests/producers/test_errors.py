import os
from pathlib import Path

import pytest

from producers.errors import no_file


def test_a_path_that_leads_to_no_file_is_named_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    assert no_file(file) == f"{file}: no such file"
    assert no_file(tmp_path) == f"{tmp_path}: is not a file but a folder"
    assert no_file(Path(os.devnull)) == f"{os.devnull}: is not a file"
    file.touch()
    assert no_file(file) == ""
    assert no_file(file / "b.csv") == f"{file}/b.csv: no such file"


def test_a_file_that_may_not_be_read_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.csv"
    file.touch()
    monkeypatch.setattr(os, "access", lambda path, _: path != file)
    assert no_file(file) == f"{file}: cannot be read: permission denied"


def test_a_file_in_a_folder_that_may_not_be_searched_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    assert no_file(tmp_path / "a.csv") == f"{tmp_path}/a.csv: cannot be read: permission denied"
