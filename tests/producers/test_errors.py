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


@pytest.mark.parametrize("refused", ["the file", "a folder on the way"])
def test_a_file_that_may_not_be_read_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*_: object) -> bool:
        if refused == "the file":
            return False
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "a.csv"
    file.touch()
    monkeypatch.setattr(*((os, "access") if refused == "the file" else (Path, "is_file")), refuse)
    assert no_file(file) == f"{file}: cannot be read: permission denied"
