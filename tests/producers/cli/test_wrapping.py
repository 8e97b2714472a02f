"""A line that is longer than the terminal is wide is broken at a blank."""

import pytest

from producers.cli.wrapping import wrapped


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("redis      Valkey 8.1", ["redis      Valkey 8.1"]),
        (
            "note       Redis has no maxmemory",
            ["note       Redis has", "           no", "           maxmemory"],
        ),
        ("          | Dear Asha, hello", ["          | Dear Asha,", "          | hello"]),
        ("              line 72: of a row", ["              line 72:", "              of a row"]),
        ("digest     k3fa-7qxd-m2pe-rrrrrrrrrrrrrrrr", ["digest", "           k3fa-7qxd-m2pe-rrrrrrrrrrrrrrrr"]),
        ("k3fa-7qxd-m2pe-rrrrrrrrrrrrrrrr", ["k3fa-7qxd-m2pe-rrrrrrrrrrrrrrrr"]),
        ("", [""]),
    ],
    ids=[
        "short",
        "after its label",
        "a sample text",
        "more blanks",
        "a word of more than a line",
        "a word alone",
        "empty",
    ],
)
def test_a_line_goes_on_below_its_own_text_and_no_word_is_cut(line: str, rows: list[str]) -> None:
    assert wrapped(line, 22, 11) == rows


def test_letters_of_two_columns_and_vowel_signs_are_counted_as_a_terminal_shows_them() -> None:
    assert wrapped("日本 日本 日本", 9) == ["日本 日本", "日本"]
    assert wrapped("की की की", 5) == ["की की", "की"]
