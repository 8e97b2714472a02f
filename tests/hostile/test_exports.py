"""Files that commands write are readable only for their owner, follow no link, and have guards before formulas."""

import csv
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from producers.cli import main
from producers.recipients import open_table
from tests.kit.producers import CAMPAIGN, SETTINGS, Run, csv_of

FORMULA = "-1+2"
WRITERS = {
    "show": ("show", "@", "--export", "pending", "out.csv", "--numbers"),
    "report": ("report", "@", "--out", "out.csv"),
    "submit": ("submit", "campaign.toml", "--recipients", "formulas.csv", "--rejects", "out.csv", "--again"),
    "check": ("check", "campaign.toml", "--recipients", "formulas.csv", "--rejects", "out.csv"),
    "optout export": ("optout", "export", "out.csv"),
}


@pytest.fixture
def run(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in a folder with settings and a campaign file."""
    monkeypatch.chdir(tmp_path)
    Path("dispatch.toml").write_text(SETTINGS)
    Path("campaign.toml").write_text(CAMPAIGN)
    return lambda *arguments: CliRunner(env={"DISPATCH_REDIS_URL": redis_url}).invoke(main, arguments)


@pytest.fixture
def write_file(run: Run) -> Run:
    """Return a function that runs one of the commands that write a file."""
    Path("formulas.csv").write_text(csv_of([("9000000001", FORMULA, "1"), ("x", FORMULA, "1")]))
    submitted = run("submit", "campaign.toml", "--recipients", "formulas.csv", "--json")
    assert submitted.exit_code == 0, submitted.output
    campaign = json.loads(submitted.stdout)["campaign"]
    run("optout", "add", "9876543210")
    return lambda name: run(*(campaign if word == "@" else word for word in WRITERS[name]))


@pytest.mark.parametrize("name", WRITERS)
def test_a_written_file_is_for_its_owner_and_holds_no_formula(write_file: Run, name: str) -> None:
    mask = os.umask(0)
    try:
        write_file(name)
    finally:
        os.umask(mask)
    path = Path("out.csv")
    mode = path.stat().st_mode & 0o777
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    formulas = cells.count(FORMULA)
    print(f"{name}: mode {mode:o}, {len(cells)} cells, {formulas} formulas without a guard")  # noqa: T201
    assert mode == 0o600
    assert len(cells) > 1
    assert formulas == 0
    assert name == "optout export" or f"'{FORMULA}" in cells


@pytest.mark.parametrize("name", WRITERS)
def test_a_link_is_not_written_through(write_file: Run, name: str, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out.csv").symlink_to("precious")
    done = write_file(name)
    assert done.exit_code in (1, 2)
    assert "out.csv: cannot be written: it is a link" in done.stderr
    kept = (tmp_path / "precious").read_text()
    print(f"{name}: {len(kept)} of 8 bytes behind the link are as before")  # noqa: T201
    assert kept == "precious"


@pytest.mark.parametrize("name", ["show", "submit"])
def test_values_that_were_guarded_come_back_as_they_were(write_file: Run, name: str, run: Run, tmp_path: Path) -> None:
    write_file(name)
    path = tmp_path / "out.csv"
    path.write_text(path.read_text("utf-8-sig").replace(",x,", ",9000000002,").replace("var1,var2", "name,amount"))
    answer = json.loads(run("check", "campaign.toml", "--recipients", "out.csv", "--json").stdout)
    assert f"Dear {FORMULA}," in answer["samples"][0]["text"]


def test_guards_of_a_report_are_taken_off_when_the_file_is_read(write_file: Run) -> None:
    write_file("report")
    table = open_table(Path("out.csv"), hint="number")
    [row] = [row for chunk in table.chunks() for row in chunk.rows]
    assert row[table.heading.index("var1") or 0] == FORMULA
