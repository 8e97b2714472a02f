"""A submit of a rejects file sends no second message to a number, and accepts no row that is still wrong."""

import csv
from pathlib import Path

import pytest
from xlsxwriter import Workbook

from tests.kit.field import check_values, csv_with

DUPLICATE = "duplicate: an earlier row has the same number"


def rejects_of(tmp_path: Path, name: str, content: str, variable: str = "{value}") -> tuple[Path, list[list[str]]]:
    """Return the rejects file of a recipients file, and its rows without the heading."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    rejects = check_values(path, variable, keep_rejects=True).rejects
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        return rejects, list(csv.reader(file))[1:]


TWICE = "to,value\n9876543210,x\n9876543211,\n09876543210,y\n"


def test_a_duplicate_in_a_rejects_file_is_no_first_row_there(tmp_path: Path) -> None:
    rejects, rows = rejects_of(tmp_path, "a.csv", TWICE)
    assert [row[2] for row in rows] == ["", "09876543210"]
    rejects.write_text(rejects.read_text(encoding="utf-8").replace("9876543211,", "9876543211,fixed"), encoding="utf-8")

    checked = check_values(rejects)

    assert (checked.to, checked.values, checked.refused) == (["919876543211"], ["fixed"], [DUPLICATE])


def test_no_other_row_of_a_rejects_file_goes_to_the_number_of_a_duplicate(tmp_path: Path) -> None:
    rejects, _ = rejects_of(tmp_path, "a.csv", TWICE)
    with rejects.open("a", encoding="utf-8") as file:
        file.write("9,,,,9876543210,z\n")

    assert check_values(rejects).refused == ["value is empty", DUPLICATE, DUPLICATE]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (",09876543210,y", ",09876543219,y"),
        (DUPLICATE, ""),
    ],
)
def test_a_duplicate_is_sent_to_if_its_number_is_corrected_or_its_reason_deleted(
    tmp_path: Path, before: str, after: str
) -> None:
    rejects, _ = rejects_of(tmp_path, "a.csv", TWICE)
    text = rejects.read_text(encoding="utf-8")
    assert before in text
    rejects.write_text(text.replace(before, after), encoding="utf-8")

    assert (check_values(rejects).values, check_values(rejects).refused) == (["y"], ["value is empty"])


def test_a_duplicate_whose_refused_number_a_spreadsheet_spoiled_stays_a_duplicate(tmp_path: Path) -> None:
    rejects, _ = rejects_of(tmp_path, "a.csv", TWICE)
    text = rejects.read_text(encoding="utf-8")
    rejects.write_text(text.replace("09876543210,nothing", "9.19877E+11,nothing"), encoding="utf-8")

    assert check_values(rejects).refused == ["value is empty", DUPLICATE]


def test_a_duplicate_with_a_bad_value_stays_a_duplicate_in_the_next_rejects_file(tmp_path: Path) -> None:
    rejects, _ = rejects_of(tmp_path, "a.csv", TWICE)
    second, rows = rejects_of(tmp_path, "b.csv", rejects.read_text(encoding="utf-8-sig").replace("210,y", "210,"))
    assert [row[1] for row in rows] == ["value is empty", DUPLICATE]
    second.write_text(second.read_text(encoding="utf-8").replace("09876543210,\n", "09876543210,y\n"), encoding="utf-8")

    assert check_values(second).refused == ["value is empty", DUPLICATE]


def test_a_rejects_file_that_was_saved_as_a_workbook_is_one_too(tmp_path: Path) -> None:
    _, rows = rejects_of(tmp_path, "a.csv", TWICE)
    with Workbook(tmp_path / "fixed.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        for at, row in enumerate([["line", "reason", "refused value", "what to do", "to", "value"], *rows]):
            sheet.write_row(at, 0, row)

    assert check_values(tmp_path / "fixed.xlsx").refused == ["value is empty", DUPLICATE]


@pytest.mark.parametrize(
    "value",
    ["12345678901234567", "[1]", '{"a": 1}', "1e400", "Infinity", '"\\ud83d"', "1795996800000", '"x", "value": "y"'],
)
@pytest.mark.parametrize("variable", ["{value}", "{value|there}"])
def test_a_value_that_cannot_be_read_is_refused_again_and_gets_no_default(
    tmp_path: Path, variable: str, value: str
) -> None:
    rejects, [row] = rejects_of(tmp_path, "a.jsonl", f'{{"to": "9876543210", "value": {value}}}\n', variable)
    assert row[4:] == ["9876543210", "#UNREADABLE!"]

    reason = "value could not be read in the file from which the row was refused: enter the value again"
    assert check_values(rejects, variable).refused == [reason]


def test_a_line_that_is_no_row_stands_in_the_rejects_file(tmp_path: Path) -> None:
    broken = '{"to": "9876543211", "value": "x"'
    rejects, [row] = rejects_of(tmp_path, "a.jsonl", f'{{"to": "9876543210", "value": "x"}}\n{broken}\n')

    assert row[1:2] + row[4:] == ["is not JSON", broken]
    assert len(check_values(rejects).refused) == 1


def test_the_rejects_files_of_two_formats_are_two_files(tmp_path: Path) -> None:
    as_csv = csv_with(tmp_path / "a.csv", "Asha")
    as_tsv = tmp_path / "a.tsv"
    as_tsv.write_text("to\tvalue\n9876543210\tAsha\n")

    assert check_values(as_csv).rejects != check_values(as_tsv).rejects
