import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.recipients.guarded_cells import guard, has_guards, unguard

CELLS = st.text(alphabet="'=+-@\t\r\n ＝0.,aé") | st.text()


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1", "＝1", "'=1", "''=1", "\r=1", "-"]
)
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    assert guard(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Asha", "+919876543210", "-5.50", "1,200", "'Asha'", "a=b"])
def test_other_cells_and_numbers_stay_as_they_are(cell: str) -> None:
    assert guard(cell) == cell


@given(CELLS)
def test_reading_takes_off_exactly_what_writing_put_on(cell: str) -> None:
    assert unguard(guard(cell)) == cell


def test_a_file_of_ours_is_known_by_its_heading() -> None:
    assert has_guards(["line", "reason", "refused value", "what to do", "to"])
    assert has_guards(["line", "to", "var1", "code"])
    assert not has_guards(["to", "name"])
    assert not has_guards(["line", "to"])
