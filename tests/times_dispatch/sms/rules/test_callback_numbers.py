import pytest

from times_dispatch.sms.rules.callback_numbers import NumberWhitelist, entry_problem, find


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


@pytest.mark.parametrize("number", ["1800 123 4567", "1800-123-4567", "18001234567"])
def test_blanks_and_dashes_make_no_difference(number: str) -> None:
    assert NumberWhitelist(["1800 1234567"]).allows(number)


@pytest.mark.parametrize("number", ["9876543210", "+91 98765 43210", "919876543210", "09876543210"])
def test_country_code_and_trunk_prefix_make_no_difference(number: str) -> None:
    assert NumberWhitelist(["98765-43210"]).allows(number)
    assert NumberWhitelist(["+919876543210"]).allows(number)
    assert not NumberWhitelist(["9876543211"]).allows(number)


def test_an_empty_whitelist_is_false() -> None:
    assert not NumberWhitelist([])
    assert NumberWhitelist(["139"])
    assert NumberWhitelist(["9876543210"]).missing("9876543210 or 9876543211") == ["9876543211"]


@pytest.mark.parametrize(("entry", "good"), [("139", True), ("1800 123 4567", True), ("call us", False), ("12", False)])
def test_only_numbers_can_be_whitelisted(entry: str, good: bool) -> None:
    assert (entry_problem(entry) is None) is good
