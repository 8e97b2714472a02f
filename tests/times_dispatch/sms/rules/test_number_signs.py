import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.sms.rules import number_signs


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("९८७६५ ४३२१०", "98765 43210"),
        ("98765\u00b743210", "98765-43210"),
        ("+91\u00b79876543210", "+91-9876543210"),
        ("10-7\u20229876543210", "10-7\u20229876543210"),
        ("9876\u200b512347", "9876-512347"),
        ("98765\u221243210", "98765-43210"),
        ("022\u202f26501234", "022 26501234"),
        ("（022）26501234", "(022)26501234"),
        ("कॉल\u200dकरें", "कॉल\u200dकरें"),
        ("Asha", "Asha"),
    ],
)
def test_signs_of_other_scripts_are_read_as_ascii(text: str, read: str) -> None:
    assert number_signs.as_ascii(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[022] 26501239", "(022) 26501239"),
        ("022:26501240", "022-26501240"),
        ("022 / 26501245", "022 - 26501245"),
        ("080/41234567", "080-41234567"),
        ("1800/123/4567", "1800-123-4567"),
        ("+91/9876512372", "+91-9876512372"),
        ("26/11/2026 10:30", "26/11/2026 10:30"),
        ("Ref:022123456", "Ref:022123456"),
    ],
)
def test_signs_after_a_code_become_dashes(text: str, read: str) -> None:
    assert number_signs.without_signs(text, lambda _, at: at < 0) == read
    assert number_signs.has_sign_after_code(text) == (text != read)


def test_a_sign_within_an_id_stays() -> None:
    assert number_signs.without_signs("Ref: 0124_3456789", lambda text, at: text[:at] == "Ref: ") == "Ref: 0124_3456789"


def test_halves_of_a_mobile_are_joined_after_a_word_to_call_only() -> None:
    joined = number_signs.join_halves("Call 98765,43210; Rs 60000,75000", lambda text, at: text[:at].endswith("Call "))

    assert joined == "Call 98765-43210; Rs 60000,75000"
    assert number_signs.has_halves("98765,43210")
    assert not number_signs.has_halves("98765 43210")
    assert not number_signs.has_halves("65000,70000 people")
    assert number_signs.may_have_halves(b"Call00000,00000")


@given(st.text(st.sampled_from("0189[]/:_~|*, -+९\u00b7\u200b\u2212（call")))
def test_a_text_keeps_its_length(text: str) -> None:
    read = number_signs.as_ascii(text)
    rewritten = number_signs.join_halves(number_signs.without_signs(read, lambda _, at: at > 2), lambda _, at: at >= 0)

    assert len(text) == len(read) == len(rewritten)
