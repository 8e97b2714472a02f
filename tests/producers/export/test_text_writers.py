import io
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.export.rows import RowGroup
from producers.export.schema import Column, ColumnType
from producers.export.text_writers import CsvWriter, JsonLinesWriter, VisibleLines, iso_time

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


def _json_lines(columns: tuple[Column, ...], group: RowGroup) -> bytes:
    written: list[bytes] = []
    JsonLinesWriter(written.append, columns).write(group)
    return b"".join(written)


def test_a_row_of_json_lines_has_every_column_in_order() -> None:
    columns = (*COLUMNS, Column("code", ColumnType.INTEGER))
    assert _json_lines(columns, [["Asha", None], [0, None], [910, None]]) == (
        b'{"name":"Asha","at":"1970-01-01T05:30:00.000+05:30","code":910}\n{"name":null,"at":null,"code":null}\n'
    )


@pytest.mark.parametrize("name", ['own_"quoted"', "own_a\\b", "own_line\nbreak", "own_नाम", "own_", "name"])
def test_a_column_may_have_any_name(name: str) -> None:
    columns = (COLUMNS[0], Column(name, ColumnType.TEXT))
    line = _json_lines(columns, [["Asha"], ["Delhi"]])
    assert line == orjson.dumps({"name": "Asha", name: "Delhi"}) + b"\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_each_text_is_escaped_as_other_writers_of_json_escape(texts: list[str]) -> None:
    lines = _json_lines(COLUMNS[:1], [list(texts)]).splitlines(keepends=True)
    assert lines == [orjson.dumps({"name": text}) + b"\n" for text in texts]
    assert [json.loads(line)["name"] for line in lines] == texts
