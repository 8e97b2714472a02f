from pathlib import Path

import pytest

from producers.errors import InputInvalid
from producers.recipients.heading import Heading, is_among

PATH = Path("a.csv")


def test_a_column_is_found_whatever_its_case_and_spaces() -> None:
    heading = Heading(PATH, 1, (" To ", "First name", ""))

    assert (heading.index("to"), heading.index(" FIRST NAME "), heading.index("name")) == (0, 1, None)
    assert len(heading) == 3


def test_a_similar_name_is_suggested() -> None:
    heading = Heading(PATH, 1, ("to", "Amount"))

    assert heading.nearest("amuont") == "Amount"
    assert heading.nearest("xyz") is None


def test_the_columns_are_listed_unless_the_first_row_looks_like_data() -> None:
    assert Heading(PATH, 1, ("to", "", "name")).described() == "its columns are to, name"
    assert Heading(PATH, 1, ("",)).described() == "its columns are without names"
    described = Heading(PATH, 1, ("98765 43210", "Asha")).described()
    assert described == "the first row looks like a recipient; it must name the columns"


def test_a_column_that_is_used_must_not_share_its_name() -> None:
    heading = Heading(PATH, 3, ("To", "name", "to "))

    assert heading.index("name") == 1
    with pytest.raises(InputInvalid, match=r"a\.csv:3: two columns are named to; rename or delete one of them"):
        heading.index("to")


@pytest.mark.parametrize("name", ["2025-2026 fee", "Fee 2025-26", "amount_20261130", "2026", "20261130", "Q3/2026"])
def test_a_heading_with_digits_is_no_recipient(name: str) -> None:
    assert Heading(PATH, 1, ("number", name)).described() == f"its columns are number, {name}"


@pytest.mark.parametrize("name", ["'to", '="to"', "\ufeffto", "to\u200b", "\u00a0To\r\n"])
def test_guards_and_invisible_characters_are_no_part_of_a_name(name: str) -> None:
    assert Heading(PATH, 1, ("name", name)).index("to") == 1


def test_a_line_break_in_a_name_is_a_blank() -> None:
    assert Heading(PATH, 1, ("Mobile\nNumber",)).index("mobile number") == 0


def test_a_name_is_looked_for_among_others() -> None:
    assert is_among("to", ("name", " TO"))
    assert not is_among("to", ("name", "too"))
