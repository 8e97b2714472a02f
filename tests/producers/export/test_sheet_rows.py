import re
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.export.schema import Column, ColumnType
from producers.export.sheet_rows import MAX_CELL, rows_xml

TEXT = Column("text", ColumnType.TEXT)
INTEGER = Column("integer", ColumnType.INTEGER)
TIME = Column("time", ColumnType.TIME)


def texts(xml: str) -> list[list[str]]:
    """Return the texts of the cells, as Office reads them."""
    rows = fromstring(f"<sheetData>{xml}</sheetData>")  # noqa: S314  # our own
    return [[_unescaped("".join(cell.itertext())) for cell in row] for row in rows]


def _unescaped(text: str) -> str:
    return re.sub("_x([0-9a-fA-F]{4})_", lambda match: chr(int(match[1], 16)), text)


CHARACTERS = st.characters(exclude_categories=["Cs"])


@given(st.lists(st.text(CHARACTERS, max_size=8), min_size=1, max_size=5))
def test_every_text_comes_back(values: list[str]) -> None:
    assert texts(rows_xml([TEXT], [values])) == [[value] for value in values]


@given(st.lists(st.text("_x0Dd1&<>\n\r\t %s", max_size=10), min_size=1, max_size=5))
def test_texts_that_look_like_escapes_come_back(values: list[str]) -> None:
    assert texts(rows_xml([TEXT, INTEGER], [values, range(len(values))])) == [
        [value, str(number)] for number, value in enumerate(values)
    ]


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**12)), min_size=1, max_size=5))
def test_every_number_and_every_gap_comes_back(values: list[int | None]) -> None:
    expected = [["" if value is None else str(value), "a"] for value in values]
    assert texts(rows_xml([INTEGER, TEXT], [values, ["a"] * len(values)])) == expected


@pytest.mark.parametrize("others", [[], [1_795_000_000_001], [None]])
def test_a_time_is_a_day_of_excel_in_india(others: list[int | None]) -> None:
    (day,), *_ = texts(rows_xml([TIME], [[1_795_000_000_000, *others]]))
    assert float(day) == pytest.approx(46344.692129629629)


@pytest.mark.parametrize("others", [[], ["short"], ["&"]])
@pytest.mark.parametrize("length", [MAX_CELL - 1, MAX_CELL, MAX_CELL + 1])
def test_a_text_that_is_too_long_for_excel_is_cut(length: int, others: list[str]) -> None:
    (cell,), *_ = texts(rows_xml([TEXT], [["x" * length, *others]]))
    assert len(cell) == min(length, MAX_CELL)


def test_blanks_at_the_ends_of_a_text_are_kept() -> None:
    xml = rows_xml([TEXT], [[" a", "b ", "c"]])
    assert xml.count('xml:space="preserve"') == 2


def test_half_of_a_character_becomes_a_question_mark() -> None:
    assert texts(rows_xml([TEXT], [["a\ud800", "b"]])) == [["a?"], ["b"]]
