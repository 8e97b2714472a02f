import gc
from pathlib import Path
from zipfile import ZipFile

import fastexcel
import pytest

from producers.export.excel import ExcelWriter
from producers.export.schema import Column, ColumnType
from producers.recipients import open_table

COLUMNS = (Column("id", ColumnType.TEXT), Column("at", ColumnType.TIME), Column("parts", ColumnType.INTEGER))


def written(path: Path) -> dict[str, list[list[str]]]:
    """Return the rows of all sheets of a workbook, as another program reads them."""
    book = fastexcel.read_excel(path)
    return {name: _rows(book, name) for name in book.sheet_names}


def _rows(book: fastexcel.ExcelReader, name: str) -> list[list[str]]:
    columns = book.load_sheet(name, header_row=None, dtypes="string").to_arrow().to_pydict().values()
    return [[cell or "" for cell in row] for row in zip(*columns, strict=True)]


def test_rows_beyond_the_limit_of_a_sheet_go_to_the_next_sheet(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    writer = ExcelWriter(path, COLUMNS, max_rows_of_sheet=3)
    writer.write([["9" * 19, "b", "=c"], [1_795_000_000_000, None, None], [1, 2, 3]])
    writer.write([["d"], [None], [4]])
    writer.write([["e"], [None], [5]])
    writer.finish()
    heading = ["id", "at", "parts"]
    assert written(path) == {
        "Sheet1": [heading, ["9" * 19, "2026-11-18 16:36:40", "1"], ["b", "", "2"]],
        "Sheet2": [heading, ["=c", "", "3"], ["d", "", "4"]],
        "Sheet3": [heading, ["e", "", "5"]],
    }


def test_a_sheet_that_takes_too_many_bytes_is_followed_by_another(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    writer = ExcelWriter(path, COLUMNS, max_bytes_of_sheet=1)
    for name in ("a", "b"):
        writer.write([[name], [None], [1]])
    writer.finish()
    assert [rows[1:] for rows in written(path).values()] == [[["a", "", "1"]], [["b", "", "1"]]]


def test_our_own_reader_reads_the_workbook(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    writer = ExcelWriter(path, COLUMNS)
    writer.write([["9" * 19, "b"], [1_795_000_000_000, None], [None, 2]])
    writer.finish()
    rows = [list(row) for chunk in open_table(path, hint="id").chunks() for row in chunk.rows]
    assert rows == [["9" * 19, "2026-11-18 16:36:40", ""], ["b", "", "2"]]


@pytest.mark.parametrize("rows", [0, 1])
def test_a_workbook_has_a_heading_that_stays_on_the_screen(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "out.xlsx"
    writer = ExcelWriter(path, COLUMNS)
    writer.write([["a"] * rows, [None] * rows, [1] * rows])
    writer.finish()
    assert len(written(path)["Sheet1"]) == 1 + rows
    with ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert archive.testzip() is None
    assert 'state="frozen"' in sheet
    assert "<dimension" not in sheet


def test_a_workbook_that_is_given_up_is_closed_without_a_warning(tmp_path: Path) -> None:
    writer = ExcelWriter(tmp_path / "out.xlsx", COLUMNS)
    writer.write([["a"], [None], [1]])
    writer.close()
    writer.close()
    del writer
    gc.collect()  # an archive that is still open would warn here
