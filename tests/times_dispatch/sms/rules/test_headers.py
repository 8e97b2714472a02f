import pytest

from times_dispatch.sms.rules import headers


@pytest.mark.parametrize("header", ["TIMESM", "timesm", "TiMeSm", "567890", "TIMES", "TIME", "TIM"])
def test_a_header_is_three_to_six_letters_or_six_digits(header: str) -> None:
    assert headers.problem(header) is None


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("TIMESM-S", "write TIMESM"),
        ("567890-P", "write 567890"),
        ("VM-TIMESM", "write TIMESM"),
        ("AD-567890-P", "write 567890"),
        ("TIMES-S", "write TIMES"),
        ("VM-TIME-T", "write TIME"),
        ("56789", "a header is 3 to 6 letters, or 6 digits"),
        ("TI", "a header is 3 to 6 letters, or 6 digits"),
        ("TIMESMS", "a header is 3 to 6 letters, or 6 digits"),
        ("TIME5M", "a header is 3 to 6 letters, or 6 digits"),
        ("५६७८९०", "a header is 3 to 6 letters, or 6 digits"),
        ("", "a header is 3 to 6 letters, or 6 digits"),
    ],
)
def test_the_affixes_of_operators_have_a_reason_of_their_own(header: str, reason: str) -> None:
    assert reason in (headers.problem(header) or "")


def test_digits_imply_a_category_and_letters_do_not() -> None:
    assert headers.category_problem("567890", "service") == "a header of digits is promotional, not service"
    assert headers.category_problem("567890", "promotional") is None
    assert headers.category_problem("TIMESM", "promotional") is None
