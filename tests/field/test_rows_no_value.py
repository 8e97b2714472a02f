"""Words and dates that stand for no value, and the defaults of variables for such cells."""

from pathlib import Path

import pytest

from producers.errors import InputInvalid
from tests.kit.field import check_values, csv_with

WORDS_FOR_NO_VALUE = (
    "NULL null (null) (none) None nan NaN NaT <NA> NA N/A n/a n/a. \\N N\\A undefined nil - -- – — . (blank) "
    "TBD ... … _ ----- ______ 'null' “n/a” -None- --None-- (null) "
    "<null> [NULL] -nan(ind) 1.#IND N-A NA. nill Unknown [] Unassigned # * **"
)
PHRASES_FOR_NO_VALUE = (
    *("Missing", "Not found", "Not updated", "Not Avail.", "No info", "No Data Found", "Data not found", "None given"),
    *("Not assigned", "Not recorded", "Not Disclosed", "To be advised", "Update pending", "(Not available)"),
)


@pytest.mark.parametrize(
    "word",
    [*WORDS_FOR_NO_VALUE.split(), *PHRASES_FOR_NO_VALUE],
)
def test_the_usual_words_for_no_value_are_refused_like_an_empty_cell(tmp_path: Path, word: str) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", word, f" {word} ", "fine"))

    assert checked.values == ["fine"]
    assert checked.refused == ["value holds a word for no value"] * 2


@pytest.mark.parametrize(
    "cell",
    [
        *("0000-00-00", "0000-00-00 00:00:00", "1899-12-30", "1899-12-30 00:00:00", "1899-12-30T05:08:50.000Z"),
        *("30-Dec-1899", "Sat Dec 30 1899", "01-Jan-0001"),
        *(
            "1900-01-01 00:00:00.000",
            "01-01-1900",
            "01-Jan-1900",
            "1 Jan 1900",
            "01/01/1753",
            "9999-12-31",
            "31.12.9999 23:59:59",
        ),
        *("1970-01-01 05:30:00", "01/01/1970 05:30", "Thu Jan 01 05:30:00 IST 1970"),
        *("30/12/1899", "00-01-1900", "0-Jan-00", "1/0/1900", "0001-01-01T00:00:00", "1/1/0001 12:00:00 AM"),
    ],
)
def test_the_day_zero_of_a_program_is_no_value(tmp_path: Path, cell: str) -> None:
    path = csv_with(tmp_path / "a.csv", cell, "fine")

    assert check_values(path).refused == [
        "value holds the first or last day of a program's calendar, which stands for no date"
    ]
    assert check_values(path, "{value|soon}").values == ["soon", "fine"]


@pytest.mark.parametrize(
    "word",
    [
        "- NA -",
        "Missing",
        "(missing)",
        "not found",
        "Not Given",
        "DBNull",
        "None.",
        "null.",
        "()",
        "[ ]",
        "''",
        "♦ Not Applicable",
    ],
)
def test_words_of_programs_and_people_for_no_value_are_refused(tmp_path: Path, word: str) -> None:
    assert check_values(csv_with(tmp_path / "a.csv", word)).refused == ["value holds a word for no value"]


@pytest.mark.parametrize("cell", ["\u200c", "\u200d\u200c", "\u3164", "\u2800", "\u180e"])
def test_a_cell_of_invisible_characters_is_empty(tmp_path: Path, cell: str) -> None:
    assert check_values(csv_with(tmp_path / "a.csv", cell)).refused == ["value is empty"]


@pytest.mark.parametrize("word", ["(No value)", "(not set)", "(not provided)", "No Value", "not known"])
def test_words_for_no_value_of_several_words_are_refused_too(tmp_path: Path, word: str) -> None:
    assert check_values(csv_with(tmp_path / "a.csv", word)).refused == ["value holds a word for no value"]


def test_the_words_for_no_value_are_a_setting(tmp_path: Path) -> None:
    path = csv_with(tmp_path / "a.csv", "NA", "keine Angabe", "KEINE ANGABE")

    checked = check_values(path, more='[recipients]\nno_value = ["keine Angabe"]')

    assert checked.values == ["NA"]
    assert len(checked.refused) == 2


@pytest.mark.parametrize("missing", ["", " ", "NULL", "#N/A", "-"])
def test_a_default_stands_for_a_missing_value(tmp_path: Path, missing: str) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", missing, "Asha"), "Hello {value|there}")

    assert (checked.values, checked.refused) == (["Hello there", "Hello Asha"], [])


def test_a_default_may_be_empty_and_may_hold_blanks(tmp_path: Path) -> None:
    path = csv_with(tmp_path / "a.csv", "", "Asha")

    assert check_values(path, "Hello {value|}").values == ["Hello ", "Hello Asha"]
    assert check_values(path, "{value|dear friend}").values == ["dear friend", "Asha"]


def test_a_default_does_not_stand_for_a_damaged_value(tmp_path: Path) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", "{name}", "Ren\ufffde"), "{value|there}")

    assert checked.values == []
    assert len(checked.refused) == 2


def test_a_column_must_be_filled_if_one_of_its_uses_has_no_default(tmp_path: Path) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", "", "Asha"), "{value|you}, {value}")

    assert checked.values == ["Asha, Asha"]
    assert checked.refused == ["value is empty"]


def test_a_column_whose_name_holds_a_bar_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('to;"first|last"\n9876543210;Asha\n')

    assert check_values(path, "{first|last}").values == ["Asha"]


def test_the_default_of_an_unknown_column_does_not_hide_the_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match=r"a\.csv has no column valeu; did you mean \{value\}\?"):
        check_values(csv_with(tmp_path / "a.csv", "Asha"), "{valeu|there}")
