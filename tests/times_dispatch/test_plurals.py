"""Numbers with their nouns."""

import pytest

from times_dispatch.plurals import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 messages"), (1, "1 message"), (2, "2 messages"), (1_200, "1,200 messages")]
)
def test_only_one_takes_the_singular(number: int, words: str) -> None:
    assert counted(number, "message") == words


@pytest.mark.parametrize(("number", "words"), [(1, "1 row has a link"), (2, "2 rows have a link")])
def test_a_plural_with_other_words_replaces_the_singular(number: int, words: str) -> None:
    assert counted(number, "row has a link", "rows have a link") == words
