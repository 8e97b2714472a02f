"""Links in link slots may have up to 40 characters; Vi drops some forms of links."""

import pytest

from times_dispatch.sms.slot_rules import Operator
from times_dispatch.sms.templates import Slot, SlotKind

LINK_OF_40 = "https://times.example/TIMESM/" + "a" * 11


@pytest.mark.parametrize("kind", ["url", "urlott"])
def test_a_link_slot_takes_up_to_forty_characters(kind: SlotKind) -> None:
    assert len(LINK_OF_40) == 40
    assert Slot(kind).check(LINK_OF_40) is None
    assert Slot(kind).check("https://t.in/a") is None
    assert Slot(kind).check(LINK_OF_40 + "a") == "has 41 characters, 40 are allowed"


def test_a_template_may_allow_more_or_less() -> None:
    assert Slot("url").check(LINK_OF_40 + "a" * 10, 50) is None
    assert Slot("url").check("https://t.in/" + "a" * 8, 20) == "has 21 characters, 20 are allowed"


@pytest.mark.parametrize(
    ("operator", "value", "allowed"),
    [
        ("vi", "times.example/a", False),
        ("vi", "times.example", False),
        ("vi", "https://times.example/a", True),
        ("vi", "http://times.example", True),
        ("vi", "www.times.example/a", True),
        ("vi", "HTTPS://T.IN", True),
        ("vi", "Www.Times.example/a", True),
        ("", "HTTPS://T.IN", True),
        ("airtel", "times.example/a", True),
        ("", "times.example/a", True),
    ],
)
def test_a_bare_host_is_refused_where_the_operator_drops_it(operator: Operator, value: str, allowed: bool) -> None:
    reason = Slot("url", operator).check(value)

    assert reason == (None if allowed else "must begin with http://, https:// or www.")
