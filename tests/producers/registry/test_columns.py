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
    ("name", "right"),
    [
        ("SMS Template Text", True),
        ("Content of Template", True),
        ("Content Type", False),
        ("Template ID", False),
        ("Message Length", False),
    ],
)
def test_a_name_of_words_for_texts_is_a_column_of_texts(name: str, right: bool) -> None:
    assert (by_words("content", indexes([name])) == [0]) is right


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
