from typing import get_args
from unicodedata import category

import pytest

from times_dispatch.sms.slot_rules import CLAIMS, LENIENT, OPERATORS, TAGS, SlotKind, doubtful_rules, rule_for


def test_every_kind_of_slot_has_a_tag_and_a_rule_with_its_source() -> None:
    assert set(TAGS.values()) == set(LENIENT) == set(get_args(SlotKind))
    assert all(rule.source for rule in [*LENIENT.values(), *(claim.rule for claim in CLAIMS)])


def test_a_certain_claim_holds_for_its_operators_only() -> None:
    assert rule_for("url", "vi").refusal == "must begin with http://, https:// or www."
    assert {rule_for("url", operator) for operator in OPERATORS if operator != "vi"} == {LENIENT["url"]}
    assert {rule_for("alphanumeric", operator) for operator in OPERATORS} == {LENIENT["alphanumeric"]}


@pytest.mark.parametrize(
    ("kind", "operator", "doubts"),
    [
        ("url", "", 1),
        ("url", "vi", 0),
        ("url", "jio", 0),
        ("alphanumeric", "", 1),
        ("alphanumeric", "jio", 1),
        ("alphanumeric", "vi", 0),
        ("var", "", 0),
    ],
)
def test_a_claim_is_doubtful_where_it_refuses_nothing(kind: SlotKind, operator: str, doubts: int) -> None:
    assert len(doubtful_rules(kind, operator)) == doubts  # type: ignore[arg-type]


def test_an_alphanumeric_value_takes_the_vowel_signs_of_indian_scripts_and_no_other_sign() -> None:
    form = rule_for("alphanumeric").form
    letters = [chr(code) for code in range(0x0900, 0x0E00)]
    taken = {letter for letter in letters if form.fullmatch(f"a{letter}")}

    assert taken == {letter for letter in letters if letter.isalnum() or category(letter) in {"Mn", "Mc"}}
