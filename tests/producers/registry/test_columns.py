import pytest

from producers.registry.columns import FIELDS, by_words, indexes


@pytest.mark.parametrize(
    ("names", "letters", "index"),
    [
        (["Template ID", "Text"], "text", 1),
        (["TEMPLATE_ID", "Text"], "templateid", 0),
        (["Template ID (DLT)"], "templateid", 0),
        (["Template ID (old)", "Template ID"], "templateid", 1),
        (["Text", "text"], "text", 0),
    ],
)
def test_columns_are_found_by_their_letters_and_digits(names: list[str], letters: str, index: int) -> None:
    assert indexes(names)[letters] == index


def test_no_name_means_two_fields() -> None:
    names = [name for known in FIELDS.values() for name in known]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["Id", "Final Status"], [1]),
        (["Status at Jio", "Status at Vi"], [0, 1]),
        (["Final Status", "Status Date", "Status Remarks"], [0]),
        (["Id"], []),
    ],
)
def test_columns_with_a_word_for_a_field_are_found(names: list[str], columns: list[int]) -> None:
    assert by_words("status", indexes(names)) == columns
