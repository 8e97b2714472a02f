"""Helplines and short codes, which no portal takes into its list of numbers."""

import pytest

from producers.rows.whitelists import Whitelists
from times_dispatch.sms.rules.callback_numbers import find
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.rules.short_codes import exempt_from_whitelist
from times_dispatch.sms.templates import Template

SHORT = [
    "SMS STOP to 56161",
    "SMS OFFER to 50000",
    "Send HELP to 56767",
    "Type STOP & send to 1909",
    "Report fraud: call 1930",
]


@pytest.mark.parametrize("text", SHORT)
def test_a_short_code_in_a_registered_text_is_no_problem_because_no_portal_whitelists_it(text: str) -> None:
    for numbers in ([], ["1800 123 4567"]):
        lists = Whitelists(Template(text), links=LinkWhitelist([]), numbers=NumberWhitelist(numbers))
        assert (lists.problems_in_text(), lists.unlisted_numbers_in_text()) == ([], [])
    assert set(find(text)) == set(exempt_from_whitelist(text))


@pytest.mark.parametrize(
    "text",
    [
        "Send HELP to 9223123456",
        "Give a missed call on 9015135135",
        "Call 1800 208 7700",
        "Call 567676",
        "Call 5676791",
        "SMS BLOCK to 7308080808",
    ],
)
def test_other_numbers_in_a_registered_text_are_compared_with_the_whitelist(text: str) -> None:
    lists = Whitelists(Template(text), links=LinkWhitelist([]), numbers=NumberWhitelist(["1800 123 4567"]))
    assert len(lists.problems_in_text()) == 1
    assert exempt_from_whitelist(text) == []
