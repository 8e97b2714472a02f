import pytest

from times_dispatch.sms.rules.number_whitelist import NumberWhitelist, entry_problem


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
