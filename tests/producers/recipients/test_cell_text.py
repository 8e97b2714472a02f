import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.recipients.cell_text import tidy, tidy_cells

pieces = st.sampled_from(
    [
        "Asha",
        "आशा",
        "'",
        '"',
        "=",
        " ",
        "\t",
        "\r\n",
        "\u200b",
        "\u00a0",
        "\ufeff",
        "_x000D_",
        "2026-11-30",
        " 00:00:00",
        "T00:00",
        "Z",
        "1899-12-31 ",
        "10:30",
        "824.8199999999999",
        "0.1",
        "00000",
        "99999",
        ".",
        "-",
        "1",
    ]
)
cells = st.lists(st.lists(pieces, max_size=5).map("".join), max_size=6)


@given(cells)
def test_tidying_many_cells_agrees_with_tidying_each(texts: list[str]) -> None:
    assert list(tidy_cells(texts)) == list(map(tidy, texts))


def test_tidy_cells_are_not_copied() -> None:
    texts = ["Asha", "Ravi Kumar", "499.50", ""]

    assert tidy_cells(texts) is texts


def test_a_guard_within_a_guard_is_taken_off_too() -> None:
    assert tidy('\'="499"') == "499"
    assert tidy("''499") == "499"


@pytest.mark.parametrize(
    ("cell", "text"),
    [("20000000.0000000000", "20000000"), ("98765432.0000000000", "98765432"), ("25.0000000000", "25")],
)
def test_a_whole_amount_with_many_decimals_is_the_amount(cell: str, text: str) -> None:
    assert tidy(cell) == text
    assert tidy_cells([cell]) == [text]
