"""Values of typed slots that sources of 2026 allow and refuse."""

import pytest

from times_dispatch.sms.slot_rules import Operator
from times_dispatch.sms.templates import Template


def problem(tag: str, value: str, operator: Operator = "") -> str | None:
    [slot] = Template(f"{{#{tag}#}}", operator).slots
    return slot.check(value)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("alp", "27.9.2026"),
        ("alp", "ABC/DEF/123"),
        ("alp", "Asha Rao"),
        ("alp", "batch_7"),
        ("alp", "x" * 40),
        ("alp", "राहुल शर्मा"),
        ("num", "123456"),
        ("cbn", "1800 123 4567"),
        ("cbn", "१८०० १२३ ४५६७"),
        ("cbn", "(022) 2345 6789"),
        ("cbn", "1930"),
        ("email", "care@bank.co.in"),
        ("email", "o'neil@bank.co.in"),
        ("var", "x" * 30),
    ],
)
@pytest.mark.parametrize("operator", ["", "airtel", "vi"])
def test_these_values_are_allowed(tag: str, value: str, operator: Operator) -> None:
    assert problem(tag, value, operator) is None


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        ("alp", "x" * 41, "has 41 characters, 40 are allowed"),
        ("alp", "27-9-2026", "must be letters, digits, blanks and _ / . only, and begin with a letter or digit"),
        ("alp", "10:30", "must be letters, digits, blanks and _ / . only, and begin with a letter or digit"),
        ("alp", "Rs,500", "must be letters, digits, blanks and _ / . only, and begin with a letter or digit"),
        ("num", "1,299", "must be digits only"),
        ("num", "12.50", "must be digits only"),
        ("var", "x" * 31, "has 31 characters, 30 are allowed"),
    ],
)
def test_these_values_are_refused_with_the_reason(tag: str, value: str, reason: str) -> None:
    assert problem(tag, value) == reason
    assert problem(tag, value, "vi") == reason


def test_a_rule_that_the_sources_disagree_about_is_a_doubt_and_no_refusal() -> None:
    [slot] = Template("{#alp#}").slots

    [claim] = slot.doubts()

    assert claim.rule.form.fullmatch("Asha Rao 12")
    assert not claim.rule.form.fullmatch("27.9.2026")
    assert "MSG91" in claim.rule.source
