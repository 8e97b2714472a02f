import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.settings import SETTINGS_FILE, VARIABLES, with_sender
from times_dispatch.settings.load import Need
from times_dispatch.settings.startup import load_settings_or_exit


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_valid_settings_are_returned_and_the_logs_take_their_format_and_level(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dispatch.toml").write_text(SETTINGS_FILE + '[logs]\nformat = "json"\nlevel = "error"\n')

    settings = load_settings_or_exit()
    logging.getLogger("a").warning("dropped")
    logging.getLogger("a").error("kept")

    assert settings.logs.as_json is True
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["kept"]


@pytest.mark.parametrize(("name", "as_json"), [("auto", None), ("json", True), ("console", False)])
def test_the_format_of_the_logs_is_an_argument_of_configure(folder: Path, name: str, as_json: bool | None) -> None:
    (folder / "dispatch.toml").write_text(SETTINGS_FILE + f'[logs]\nformat = "{name}"\n')

    assert load_settings_or_exit().logs.as_json is as_json


def test_each_warning_of_the_settings_is_a_log_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "dispatch.toml").write_text(with_sender("most_parts_per_day = 7"))

    load_settings_or_exit()

    [line] = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["warning"]) == (
        "warning",
        "dispatch.toml:6: senders.TIMESM.most_parts_per_day: is an old name; write max_parts_per_day",
    )


def test_mistakes_end_the_process_with_2_and_a_line_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "dispatch.toml").write_text(with_sender("rate_per_s = -3", 'provider = "tn"'))

    with pytest.raises(SystemExit) as ended:
        load_settings_or_exit()

    written = capsys.readouterr()
    assert (ended.value.code, written.out) == (2, "")
    assert [line.rpartition(": ")[0] for line in written.err.splitlines()] == [
        "dispatch.toml:6: senders.TIMESM.rate_per_s",
        "dispatch.toml:7: senders.TIMESM.provider",
    ]


def test_only_the_needed_secrets_must_be_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dispatch.toml").write_text(SETTINGS_FILE)
    monkeypatch.delenv("DISPATCH_ID_KEY")

    assert load_settings_or_exit(Need.LEDGER).id_key == b""
    with pytest.raises(SystemExit):
        load_settings_or_exit(Need.LEDGER, Need.IDS)
    with pytest.raises(SystemExit):
        load_settings_or_exit()

    reasons = capsys.readouterr().err.splitlines()
    assert [line.partition(": is not set")[0] for line in reasons] == ["environment: DISPATCH_ID_KEY"] * 2
