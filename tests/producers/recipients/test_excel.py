from pathlib import Path

import pytest

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from producers.recipients.file import CHUNK_ROWS
from tests.kit.producers import WriteFile, read_rows
from tests.kit.workbook import Cell, write_workbook


def test_numbers_are_written_in_their_shortest_form_and_texts_stay(tmp_path: Path) -> None:
    rows: list[tuple[Cell, ...]]
    rows = [("To", "name", "amount"), (919876543210, "Asha", 99.5), (9876543211.0, "आशा", "99.50"), ("98", " x ", None)]

    file = open_recipients(write_workbook(tmp_path / "a.xlsx", rows))

    assert file.heading.names == ("To", "name", "amount")
    assert read_rows(file)[0] == [
        (2, ["919876543210", "Asha", "99.5"]),
        (3, ["9876543211", "आशा", "99.50"]),
        (4, ["98", " x ", ""]),
    ]


def test_lines_are_the_rows_of_the_sheet_wherever_the_table_begins(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", [("to",), ("98",), (None,), ("99",)], first_row=4)

    file = open_recipients(path)

    assert file.heading.line == 4
    assert read_rows(file)[0] == [(5, ["98"]), (7, ["99"])]


def test_lines_go_on_from_chunk_to_chunk(tmp_path: Path) -> None:
    rows: list[tuple[Cell, ...]] = [("to",), *((n,) for n in range(CHUNK_ROWS + 1))]

    file = open_recipients(write_workbook(tmp_path / "a.xlsx", rows))

    assert read_rows(file)[0] == [(n + 2, [str(n)]) for n in range(CHUNK_ROWS + 1)]
    assert file.fraction() == 1.0


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "its sheet Sheet1 is empty"),
        ([(None, "")], "its sheet Sheet1 is empty"),
        ([("to", "name")], "its sheet Sheet1 has a heading and no rows that are shown"),
        ([("to", "name"), (None, None)], "its sheet Sheet1 has a heading and no rows that are shown"),
        ([("to", "name", "To"), ("1", "2", "3")], "two columns are named to"),
    ],
)
def test_a_sheet_that_cannot_be_used_is_refused(tmp_path: Path, rows: list[tuple[Cell, ...]], reason: str) -> None:
    with pytest.raises(InputInvalid, match=reason):
        open_recipients(write_workbook(tmp_path / "a.xlsx", rows))


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.ods"])
def test_a_file_that_is_no_workbook_is_refused(write: WriteFile, name: str) -> None:
    with pytest.raises(InputInvalid, match="is not a workbook, or is damaged"):
        open_recipients(write(name, "to,name\n98,Asha\n"))
