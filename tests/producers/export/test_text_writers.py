import io

from producers.export.schema import Column, ColumnType
from producers.export.text_writers import CsvWriter, VisibleLines, iso_time

COLUMNS = (Column("name", ColumnType.TEXT, is_foreign=True), Column("at", ColumnType.TIME))


def test_times_are_those_of_india_with_milliseconds() -> None:
    assert iso_time(1_795_000_000_123) == "2026-11-18T16:36:40.123+05:30"
    assert iso_time(None) is None


def test_a_cell_that_a_spreadsheet_would_run_gets_a_guard() -> None:
    file = io.StringIO()
    CsvWriter(file, COLUMNS).write([["=1+2", "Asha", "", None], [None, 0, None, None]])
    assert file.getvalue().splitlines()[1:] == ["'=1+2,", "Asha,1970-01-01T05:30:00.000+05:30", ",", ","]


def test_a_row_on_standard_output_is_one_line_without_control_characters() -> None:
    lines: list[str] = []
    CsvWriter(VisibleLines(lines.append), COLUMNS).write([["a\nb\x1b]0;"], [None]])
    assert lines[1:] == ['"a\\nb\\u001b]0;",\n']
