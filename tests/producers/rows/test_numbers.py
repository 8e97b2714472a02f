import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.recipients.cell_text import tidy
from producers.rows.numbers import NumberSet, normalise_numbers, without_prefix
from times_dispatch.sms.numbers import NumberInvalid, normalise

# Cells of real columns, cells that look like numbers, and cells that could shift the lines of a column.
raws = st.lists(
    st.from_regex(r"(\+|0|00)?(91)?[ -]?[5-9][0-9]{4}[ -]?[0-9]{5}", fullmatch=True)
    | st.from_regex(r"[6-9][0-9]{8,10}", fullmatch=True)
    | st.text("0123456789+- .\n\r\0abc\u2028०", max_size=14)
    | st.sampled_from(["", "9876543210\n9876543211", "987654321.0", "9876543210.0", "9.87654321E9", "+1 650 253 0000"]),
    max_size=12,
)


# Columns in which every number has ten digits, and which differ from such columns by one cell or by one character.
plain_columns = st.lists(st.from_regex("[6-9][0-9]{9}", fullmatch=True), min_size=1, max_size=8)
spoiling = st.sampled_from(["987654321", "98765432101", "5876543210", "", "987654321०", "98765432\n1", "7912345678"])
columns = plain_columns | st.tuples(plain_columns, spoiling, plain_columns).map(
    lambda cells: [*cells[0], cells[1], *cells[2]]
)


@given(raws | columns, st.sampled_from(["IN", "US"]), st.booleans())
def test_normalising_many_numbers_agrees_with_normalising_each(raws: list[str], region: str, landlines: bool) -> None:
    numbers, reasons = [], {}
    for position, raw in enumerate(raws):
        try:
            numbers.append(normalise(without_prefix(tidy(raw)), region, landlines=landlines))
        except NumberInvalid as invalid:
            numbers.append("")
            reasons[position] = str(invalid)

    assert normalise_numbers(raws, region, landlines=landlines) == (numbers, reasons)


@pytest.mark.parametrize(
    "raw",
    ["9876543210", "09876543210", "919876543210", "+919876543210", "+91 98765-43210", "98765 43210", "9 8 7 6-543210"],
)
def test_every_plain_indian_form_is_normalised(raw: str) -> None:
    assert normalise_numbers([raw, "x", raw])[0] == ["919876543210", "", "919876543210"]


numbers = st.integers(0, 10**15 - 1) | st.integers(0, 5)


def test_a_number_is_new_once() -> None:
    numbers = NumberSet()

    assert numbers.add([919876543210, 919876543211]) == []
    assert numbers.add([919876543212, 919876543210]) == [1]
    assert len(numbers) == 3


def test_a_repeat_within_one_call_is_found_too() -> None:
    assert NumberSet().add([5, 6, 5, 5]) == [2, 3]


@given(st.lists(st.lists(numbers, max_size=20), max_size=10))
def test_a_number_set_agrees_with_a_python_set(groups: list[list[int]]) -> None:
    fast, plain = NumberSet(), set[int]()
    for group in groups:
        expected = []
        for position, number in enumerate(group):
            if number in plain:
                expected.append(position)
            plain.add(number)

        assert fast.add(group) == expected
    assert len(fast) == len(plain)
