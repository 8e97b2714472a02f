"""E-mail and UPI addresses are not links."""

import pytest

from producers.rows.whitelists import Whitelists
from times_dispatch.sms.rules.links import LinkWhitelist, find
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.templates import Template


@pytest.mark.parametrize(
    "text",
    [
        "Write to care@bank.co.in",
        "care@bank.co.in",
        "Mail: first.last@mail.times.co.in.",
        "mailto:care@times.in",
        "care@times.in/help@times.in",
        "Pay to shop@okaxis",
        "Pay to asha.rao@okicici",
        "Pay to shop.in@ybl",
        "Pay to 9876543210@upi",
        "Follow @times.in",
    ],
)
def test_an_address_is_no_link(text: str) -> None:
    assert find(text) == []


def test_a_link_beside_an_address_is_found() -> None:
    assert find("care@bank.co.in or evil.ru/pay, asha@upi,evil.in") == ["evil.ru/pay", "evil.in"]


@pytest.mark.parametrize("tag", ["email", "var"])
def test_a_row_with_an_address_is_not_refused(tag: str) -> None:
    lists = Whitelists(Template(f"Mail {{#{tag}#}}"), links=LinkWhitelist([]), numbers=NumberWhitelist(["139"]))

    assert list(lists.findings([["care@bank.co.in"]], ["919000000001"], ["slot 1"])) == []


def test_a_text_with_an_address_is_not_refused() -> None:
    template = Template("Write to care@bank.co.in or pay to 9876543210@upi, {#var#}")
    lists = Whitelists(template, links=LinkWhitelist([]), numbers=NumberWhitelist(["139"]))

    assert lists.problems_in_text() == []
