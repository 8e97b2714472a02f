from pathlib import Path

import pytest
from pydantic import ValidationError

from times_dispatch.settings.dead_number_rule import read_dead_number_rule
from times_dispatch.settings.tables.dead_numbers import DeadNumberSettings
from times_dispatch.settings.toml.document import Document


@pytest.mark.parametrize(
    "table",
    [
        "",
        "[dead_numbers]\n",
        '[dead_numbers]\ncodes = ["910"]\nkeep = "30d"\n',
        "[dead_numbers]\ncodes = []\n",
        '\ufeff[dead_numbers]\r\nkeep = "1d12h"\r\n',
        "[senders.X]\nno_such_setting = 1\n",
    ],
)
def test_the_rule_is_the_same_as_that_of_all_settings(tmp_path: Path, table: str) -> None:
    path = tmp_path / "dispatch.toml"
    path.write_text(table, "utf-8", newline="")
    of_all = DeadNumberSettings.model_validate(Document.read(path).data.get("dead_numbers", {})).rule
    assert read_dead_number_rule(path) == of_all


@pytest.mark.parametrize(
    "table",
    [
        '[dead_numbers]\nkeep = "23h"\n',
        "[dead_numbers]\nkeep = 180\n",
        "[dead_numbers]\ncodes = [910]\n",
        '[dead_numbers]\ncodes = "910"\n',
        '[dead_numbers]\ncodes = ["910\\n"]\n',
        '[dead_numbers]\ncode = ["910"]\n',
        "dead_numbers = 1\n",
    ],
)
def test_there_is_no_rule_if_the_table_has_a_mistake(tmp_path: Path, table: str) -> None:
    path = tmp_path / "dispatch.toml"
    path.write_text(table, "utf-8")
    with pytest.raises(ValidationError):
        DeadNumberSettings.model_validate(Document.read(path).data["dead_numbers"])
    assert read_dead_number_rule(path) is None


@pytest.mark.parametrize("content", [b"[dead_numbers", b"\xff", b"a = " + b"[" * 10_000])
def test_there_is_no_rule_if_the_file_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    assert read_dead_number_rule(tmp_path / "missing.toml") is None
    (tmp_path / "dispatch.toml").write_bytes(content)
    assert read_dead_number_rule(tmp_path / "dispatch.toml") is None
