import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.errors import InputInvalid
from producers.number_arguments import normalise_arguments
from producers.rows.numbers import normalise_numbers


def test_invalid_arguments_are_named_by_their_position() -> None:
    assert normalise_arguments(["9876543210", "+91 98765-43211"]) == ["919876543210", "919876543211"]
    with pytest.raises(InputInvalid, match=r"^number 2 is ") as invalid:
        normalise_arguments(["9876543210", "12345"])
    assert "12345" not in str(invalid.value)
    with pytest.raises(InputInvalid, match=r"^the number is "):
        normalise_arguments(["12345"])


@given(st.from_regex(r"(\+?91|0)?[ -]?[5-9][0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3,5}", fullmatch=True))
def test_the_plain_forms_of_indian_numbers_are_read_as_in_recipients_files(number: str) -> None:
    [expected], _ = normalise_numbers([number], landlines=True)
    if expected:
        assert normalise_arguments([number]) == [expected]
    else:
        with pytest.raises(InputInvalid):
            normalise_arguments([number])
