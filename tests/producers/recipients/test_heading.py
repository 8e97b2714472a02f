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
    assert described == "the first row looks like a recipient, it must name the columns"


def test_two_columns_must_not_have_one_name() -> None:
    with pytest.raises(InputInvalid, match=r"a\.csv:3: two columns are named to; rename or delete one of them"):
        Heading(PATH, 3, ("To", "name", "to "))
    Heading(PATH, 3, ("to", "", ""))


def test_a_name_is_looked_for_among_others() -> None:
    assert is_among("to", ("name", " TO"))
    assert not is_among("to", ("name", "too"))
