import json

from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.visible_text import visible, without_long_numbers


def test_letters_of_every_script_and_the_joiners_of_india_stay() -> None:
    text = "Größe, नमस्ते, क्\u200dष, ಕ್\u200cಷ, 😀"
    assert visible(text) == text


def test_control_bidi_and_unpaired_characters_become_escapes() -> None:
    assert visible("a\n\t\r\x1b[31m\x7f\x9b\u202e\ufeff\udcff\U000e0041b") == (
        "a\\n\\t\\r\\u001b[31m\\u007f\\u009b\\u202e\\ufeff\\udcff\\udb40\\udc41b"
    )


def test_letters_that_show_nothing_become_escapes() -> None:
    assert visible("a\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4b") == (
        "a\\u115f\\u1160\\u3164\\uffa0\\u2800\\u034f\\u17b4b"
    )


@given(st.text())
def test_every_text_fits_on_one_line_and_a_json_document_stays_the_same(text: str) -> None:
    assert len(visible(text).splitlines()) <= 1
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text


def test_phone_numbers_are_masked_in_every_way_in_which_people_write_them() -> None:
    for number in ("9876543210", "98765 43210", "98765-43210", "+91 (98765) 43210", "1800 123 4567"):
        assert without_long_numbers(f"call {number} now") == "call … now", number
    assert without_long_numbers("Rs 1,299 of 2026, order 12345") == "Rs 1,299 of 2026, order 12345"


def test_a_date_stays_and_a_number_beside_a_date_is_masked() -> None:
    for moment in ("2026-12-31", "2026-12-31 10:00", "2026-12-31T10:00"):
        assert without_long_numbers(f"goes on at {moment} Asia/Kolkata") == f"goes on at {moment} Asia/Kolkata"
    for number in ("2026-13-31", "2026-12-3110", "2026-12-31 98765", "98765 2026-12-31", "+2026-12-31"):
        assert without_long_numbers(f"call {number} now") == "call … now", number
    assert "98765" not in without_long_numbers("2026-12-31 10:00 98765 43210")
