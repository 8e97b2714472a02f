import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from times_dispatch.sms.encoding import (
    GSM_ALPHABET,
    GSM_EXTENSION,
    Measure,
    has_ascii_beyond_gsm,
    measure,
    non_gsm_characters,
    takes_one_septet_each,
    takes_one_utf16_unit_each,
)


def cut_greedily(pieces: list[int], *, whole: int, each: int) -> tuple[int, int]:
    """Count parts and units the slow way: put indivisible pieces into parts one after the other."""
    units = sum(pieces)
    if units <= whole:
        return 1, units
    parts, room = 0, 0
    for piece in pieces:
        if piece > room:
            parts, room = parts + 1, each
        room -= piece
    return parts, units


# From the tables of 3GPP TS 23.038 by code point, not from the module under test.
SINGLE = {
    *map(ord, "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà"),
    *range(0x20, 0x5B),
    *range(0x61, 0x7B),
}
DOUBLE = {0x0C, 0x5E, 0x7B, 0x7D, 0x5C, 0x5B, 0x7E, 0x5D, 0x7C, 0x20AC}


def measured_naively(text: str) -> Measure:
    codes = [ord(character) for character in text]
    if all(code in SINGLE or code in DOUBLE for code in codes):
        parts, units = cut_greedily([2 if code in DOUBLE else 1 for code in codes], whole=160, each=153)
        return Measure(False, parts, units)
    parts, units = cut_greedily([2 if code > 0xFFFF else 1 for code in codes], whole=70, each=67)
    return Measure(True, parts, units)


def scattered(alphabet: str) -> st.SearchStrategy[str]:
    """Texts around the interesting lengths, with single characters replaced here and there."""
    return st.builds(
        lambda length, filler, changes: "".join(changes.get(place, filler) for place in range(length)),
        st.integers(0, 480),
        st.sampled_from("aé₹"),
        st.dictionaries(st.integers(0, 480), st.sampled_from(alphabet), max_size=60),
    )


@given(st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=500), scattered("ab€{^[]\f😀₹\u200d")))
@example("a" * 152 + "€" + "a" * 10)
@example("₹" * 66 + "😀" + "a" * 10)
def test_measuring_equals_a_simple_count(text: str) -> None:
    assert measure(text) == measured_naively(text)


@given(scattered("ab€{^[]~|"))
def test_measuring_gsm_texts_equals_a_simple_count(text: str) -> None:
    plain = text.replace("₹", "x")
    assert measure(plain) == measured_naively(plain)
    assert not measure(plain).unicode


@pytest.mark.parametrize(
    ("length", "parts"),
    [(0, 1), (1, 1), (159, 1), (160, 1), (161, 2), (305, 2), (306, 2), (307, 3), (459, 3), (460, 4)],
)
def test_gsm_text_has_160_septets_in_one_part_and_153_in_each_of_several(length: int, parts: int) -> None:
    assert measure("é" * length) == Measure(False, parts, length)


@pytest.mark.parametrize(
    ("length", "parts"),
    [(1, 1), (69, 1), (70, 1), (71, 2), (133, 2), (134, 2), (135, 3), (201, 3), (202, 4)],
)
def test_other_text_has_70_units_in_one_part_and_67_in_each_of_several(length: int, parts: int) -> None:
    assert measure("ह" * length) == Measure(True, parts, length)


@pytest.mark.parametrize(
    ("text", "parts", "units"),
    [
        ("€" * 80, 1, 160),
        ("€" * 80 + "a", 2, 161),
        ("a" * 151 + "€" + "a" * 153, 2, 306),
        ("a" * 152 + "€" + "a" * 152, 3, 306),
        ("a" * 152 + "€" + "a" * 151, 2, 305),
        ("€" * 152, 2, 304),
        ("€" * 153, 3, 306),
    ],
)
def test_an_escape_pair_is_never_split_over_two_parts(text: str, parts: int, units: int) -> None:
    assert measure(text) == Measure(False, parts, units)


@pytest.mark.parametrize(
    ("text", "parts", "units"),
    [
        ("😀" * 35, 1, 70),
        ("😀" * 35 + "a", 2, 71),
        ("ह" * 65 + "😀" + "ह" * 67, 2, 134),
        ("ह" * 66 + "😀" + "ह" * 66, 3, 134),
        ("ह" * 66 + "😀" + "ह" * 65, 2, 133),
        ("ह" * 66 + "\U0001f3ff" + "ह" * 66, 3, 134),
        ("ह" * 66 + "\U00010000" + "ह" * 66, 3, 134),
        ("ह" * 66 + "\U0010ffff" + "ह" * 66, 3, 134),
        ("😀" * 66, 2, 132),
        ("😀" * 67, 3, 134),
    ],
)
def test_a_surrogate_pair_is_never_split_over_two_parts(text: str, parts: int, units: int) -> None:
    assert measure(text) == Measure(True, parts, units)


def test_a_lone_surrogate_is_counted() -> None:
    assert measure("\ud83d" * 71) == Measure(True, 2, 71)


@pytest.mark.parametrize("character", "^{}\\[~]|€")
def test_every_character_of_the_extension_table_takes_two_septets(character: str) -> None:
    assert measure(character) == Measure(False, 1, 2)


@pytest.mark.parametrize("character", "`₹“”‘’–—…ç\t\u00a0\u2126İ\x1b\x00\x7f")
def test_characters_that_look_like_gsm_ones_force_ucs2(character: str) -> None:
    assert measure("a" + character).unicode
    assert non_gsm_characters(f"a{character}b{character}") == character


def test_the_default_alphabet_has_all_its_127_characters_and_none_twice() -> None:
    assert len(set(GSM_ALPHABET)) == len(GSM_ALPHABET) == 127
    assert not set(GSM_ALPHABET) & set(GSM_EXTENSION)


def test_characters_that_force_ucs2_are_returned_once_each_in_their_order() -> None:
    assert non_gsm_characters("“Offer” for ₹500 – “today” 😀{}€é") == "“”₹–😀"


@given(st.text(max_size=200))
def test_a_text_has_characters_outside_gsm_exactly_if_it_needs_unicode(text: str) -> None:
    assert bool(non_gsm_characters(text)) == measure(text).unicode


@given(st.text("ab`\t\n[€é\x00आ😀\ud800", max_size=20) | st.text(max_size=50))
def test_a_text_takes_one_unit_for_each_character_exactly_where_measuring_says_so(text: str) -> None:
    measured = measure(text)

    assert takes_one_septet_each(text) == (not measured.unicode and measured.units == len(text))
    assert takes_one_utf16_unit_each(text) == (measure(f"आ{text}").units == len(text) + 1)
    assert has_ascii_beyond_gsm(text) == (not takes_one_septet_each("".join(filter(str.isascii, text))))
