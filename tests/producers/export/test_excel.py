from pathlib import Path

from producers.export.excel import ExcelWriter
from producers.export.schema import Column, ColumnType
from producers.recipients import open_table


def test_rows_beyond_the_limit_of_a_sheet_go_to_the_next_sheet(tmp_path: Path) -> None:
    path, columns = tmp_path / "out.xlsx", (Column("id", ColumnType.TEXT), Column("at", ColumnType.TIME))
    writer = ExcelWriter(path, columns, folder=tmp_path, max_rows_of_sheet=3)
    writer.write([["9" * 19, "b", "=c"], [1_795_000_000_000, None, None]])
    writer.finish()
    table = open_table(path, hint="id")
    rows = [list(row) for chunk in table.chunks() for row in chunk.rows]
    assert rows == [["9" * 19, "2026-11-18 16:36:40"], ["b", ""]]
    assert any("Sheet2" in left_out for left_out in table.left_out())
