import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from times_dispatch.sms.rules.callback_numbers import (
    find,
    may_contain_numbers,
    may_many_contain_numbers,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Call 9876543210.", ["9876543210"]),
        ("Call +91 98765-43210 or 09876543211", ["+91 98765-43210", "09876543211"]),
        ("Toll free 1800 123 4567", ["1800 123 4567"]),
        ("18601234567", ["18601234567"]),
        ("140 series: 1409856378", ["1409856378"]),
        ("Office 022-23456789", ["022-23456789"]),
        ("Order 1234567890", []),
        ("Order OD9876543210", []),
        ("Ref #9876543210", []),
        ("Ref 9876543210/5", []),
        ("98765432101234", []),
        ("Rs 9876543210.50", []),
        ("5876543210", []),
        ("2026-11-08 10:00", []),
        ("https://t.in/9876543210", []),
    ],
)
def test_phone_numbers_are_found_and_other_digits_are_not(text: str, numbers: list[str]) -> None:
    assert find(text) == numbers


pieces = st.sampled_from(
    [
        *"0123456789०९ \u00a0\n\t.()-\u2010\u2013\u2015\u2212\u00b7\u200b+/:,@=#x_[]कॉल",
        *(
            "OD",
            "order ",
            "call ",
            "Call",
            "dial",
            "SMS HELP to ",
            "ring",
            "toll free",
            "18",
            "1800",
            "1860",
            "180",
            "91",
        ),
        *("98765", "43210", "022", "080/", "12345678", "123456", "140", "160", "कॉल करें ", "फोन", "İ", "ſ", "\ud800"),
    ]
)
values = st.lists(pieces, max_size=8).map("".join) | st.from_regex(r"[A-Z]{0,3}1[ .-]?8[0-6][0-9]{1,8}", fullmatch=True)


@given(st.lists(values, max_size=6))
@example(["OD18001234"])
@example(["1 800 1234"])
@example(["22(123)456"])
@example(["22-123 456"])
@example(["22\u2013123456"])
@example(["080/412345"])
@example(["ph123456", "Asha"])
@example(["call 98765,43210"])
@example(["[022] 265012"])
@example(["9876\u200b512347"])
@example(["फोन 123456"])
@example(["९८७६५४३२१०"])
def test_a_quick_search_of_many_values_passes_over_no_number(values: list[str]) -> None:
    if any(map(may_contain_numbers, values)) or may_contain_numbers("\0".join(values)):
        assert may_many_contain_numbers("\0".join(values))


@pytest.mark.parametrize(
    "column",
    [
        ["Asha", "Renée", "आशा राव"],
        ["OD12345678", "OD87502837", "OD18751234"],
        ["Rs 66290", "Rs 1,250", "Rs 99.50"],
        ["30 Nov 2026", "1 Dec 2026"],
        ["order OD12345678", "order OD00000001"],
    ],
)
def test_a_quick_search_passes_over_names_ids_amounts_and_dates(column: list[str]) -> None:
    assert not may_many_contain_numbers("\0".join(column))
