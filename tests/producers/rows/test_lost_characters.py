import pytest

from producers.rows.lost_characters import LOST


@pytest.mark.parametrize(
    "text",
    [
        "Renée",
        "SÃO",
        "Ângela",
        "à la",
        "It’s",
        "₹ 499",
        "a?b=c.d",
        "https://times.example/a%20b?c=%E0%A4%86",
        "&c;",
        "R&D",
        "<3",
        "\\n",
    ],
)
def test_a_text_with_its_own_characters_lost_none(text: str) -> None:
    assert not [reason for is_lost, reason in LOST if is_lost(text)]


@pytest.mark.parametrize("text", ["é", "’", "₹", "आशा", "…", "–", "ñ", "ü"])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "mac-roman"])
def test_a_text_that_was_read_in_a_wrong_encoding_is_found(text: str, encoding: str) -> None:
    misread = text.encode().decode(encoding, "replace")

    assert [reason for is_lost, reason in LOST if is_lost(f"Ren{misread}")]
