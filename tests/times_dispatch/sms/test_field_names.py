import pytest

from times_dispatch.sms.field_names import is_field_name


@pytest.mark.parametrize(
    "name",
    ["name", "NAME", "First Name", "first_name", "firstName", "OrderID", "VAR1", "Your Company", "insert name here"],
)
def test_the_name_of_a_field_is_known_in_every_spelling(name: str) -> None:
    assert is_field_name(name)


@pytest.mark.parametrize("name", ["", "HUF", "Asha", "full", "due", "Times", "AAPL", "Asha name", "1"])
def test_other_words_name_no_field(name: str) -> None:
    assert not is_field_name(name)
