import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.sandbox import parts


@pytest.mark.parametrize("text", ["é", "Ñ", "€{}", "\n", "[~]"])
def test_the_gsm_alphabet_is_not_ascii(text: str) -> None:
    assert parts.is_gsm(text)


@pytest.mark.parametrize("text", ["`", "₹", "“", "न", "😀", "ç"])
def test_characters_outside_need_unicode(text: str) -> None:
    assert not parts.is_gsm(text)


@pytest.mark.parametrize(
    ("text", "unicode", "count"),
    [
        ("a" * 160, False, 1),
        ("a" * 161, False, 2),
        ("a" * 306, False, 2),
        ("a" * 307, False, 3),
        ("€" * 80, False, 1),
        ("€" * 81, False, 2),
        ("a" * 152 + "€" + "a" * 152, False, 3),
        ("a" * 151 + "€" + "a" * 153, False, 2),
        ("न" * 70, True, 1),
        ("न" * 71, True, 2),
        ("न" * 134, True, 2),
        ("न" * 135, True, 3),
        ("😀" * 35, True, 1),
        ("😀" * 66, True, 2),
        ("😀" * 67, True, 3),
        ("a" * 71, True, 2),
    ],
)
def test_parts_at_their_boundaries(text: str, unicode: bool, count: int) -> None:
    assert parts.count(text, unicode=unicode) == count


@given(st.text(alphabet="aé€|\n", max_size=700))
def test_pairs_can_only_add_parts(text: str) -> None:
    septets = sum(2 if c in "€|" else 1 for c in text)
    least = 1 if septets <= 160 else -(-septets // 153)
    assert least <= parts.count(text, unicode=False) <= least + 1
