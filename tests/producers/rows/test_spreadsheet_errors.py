import pytest

from producers.rows.spreadsheet_errors import is_error, is_not_found


@pytest.mark.parametrize("text", ["#N/A", "#n/a", "#N/A!", "#NV", "#N/D", "#YOK"])
def test_a_lookup_that_found_nothing_is_told_from_other_errors(text: str) -> None:
    assert is_not_found(text)
    assert not is_error(text) or text.upper().startswith("#N/A")


@pytest.mark.parametrize("text", ["#AD", "#HIV", "#SALE!", "#12", "#", "Err:5", "REF!", "#N/AB"])
def test_hashtags_and_numbers_are_no_errors(text: str) -> None:
    assert not is_not_found(text)
    assert not is_error(text)
