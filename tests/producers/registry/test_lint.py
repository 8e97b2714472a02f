import pytest

from producers.registry.lint import lint
from tests.kit.producers import SETTINGS, WriteFile, load_settings

TIMES = " - Times"


def findings(
    write: WriteFile, text: str, *, category: str = "service", operator: str = ""
) -> tuple[list[str], list[str]]:
    """Return the problems and the advice about a text of TIMESM, without their sources."""
    table = f'[templates.new]\nsender = "TIMESM"\ncontent_id = "1107161786534401928"\noperator = "{operator}"\n'
    table += f'text = "{text}"\n'
    settings = load_settings(write("dispatch.toml", SETTINGS.replace('"service"', f'"{category}"', 1) + table))
    found = lint("new", settings)
    assert all(finding.rule.source for finding in found)
    return (
        [finding.message for finding in found if finding.rule.is_problem],
        [finding.message for finding in found if not finding.rule.is_problem],
    )


def test_a_text_that_keeps_all_rules_has_no_finding(write: WriteFile) -> None:
    assert findings(write, f"Your code is {{#num#}}, valid for {{#numeric#}} minutes.{TIMES}") == ([], [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Dear ##name##", "##name## looks like a placeholder that nothing fills; a slot is written {#var#}"),
        ("Dear {name}", "{name} looks like a placeholder that nothing fills; a slot is written {#var#}"),
        ("Dear %s", "%s looks like a placeholder that nothing fills; a slot is written {#var#}"),
        ("Dear {{1}}", "{{1}} looks like a placeholder that nothing fills; a slot is written {#var#}"),
        ("Flat 50% off", "'% off' is a word of offers: such a text is promotional, not service"),
        ("Flat {#num#}% off", "'% off' is a word of offers: such a text is promotional, not service"),
        ("Save Rs 500 off", "'Save Rs 500 off' is a word of offers: such a text is promotional, not service"),
        ("Get cashback", "'cashback' is a word of offers: such a text is promotional, not service"),
        ("Mega Sale is on", "'Mega Sale' is a word of offers: such a text is promotional, not service"),
        ("आज की छूट", "'छूट' is a word of offers: such a text is promotional, not service"),
    ],
)
def test_each_broken_rule_is_a_problem(write: WriteFile, text: str, problem: str) -> None:
    assert findings(write, text + TIMES)[0] == [problem]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("{#num#} or {#num#} or {#num#}", "it has 3 variables; two are allowed, and a third with reasons"),
        ("Bill {#num#} {#num#}", "no word stands between its variables 1 and 2"),
        ("Bill {#num#}, {#num#}", "no word stands between its variables 1 and 2"),
        ("Bill {#num#}/-{#num#}", "no word stands between its variables 1 and 2"),
    ],
)
def test_a_form_that_operators_approve_against_the_direction_is_advice(
    write: WriteFile, text: str, advice: str
) -> None:
    assert findings(write, text + TIMES) == ([], [advice])


@pytest.mark.parametrize(
    "text",
    ["Your offer letter is ready", "Sale deed signed", "Point of sale slip", "Wholesale order", "Rs 500 off-line"],
)
def test_words_that_only_look_like_offers_are_no_problem(write: WriteFile, text: str) -> None:
    assert findings(write, text + TIMES) == ([], [])


def test_a_promotional_text_may_offer_something(write: WriteFile) -> None:
    assert findings(write, f"Flat 50% off{TIMES}", category="promotional") == ([], [])


@pytest.mark.parametrize(
    ("text", "lacks"), [("Thank you", True), ("Thank you - TIMES", False), ("Sometimes", True), ("धन्यवाद", False)]
)
def test_a_text_names_its_brand_or_header(write: WriteFile, text: str, lacks: bool) -> None:
    assert findings(write, text)[1] == (["it names neither the brand nor the header TIMESM"] if lacks else [])


def test_a_variable_without_a_type_gets_advice(write: WriteFile) -> None:
    [advice] = findings(write, f"Dear {{#var#}}{TIMES}")[1]

    assert advice.startswith("1 of its variables has no type: a new text needs {#alphanumeric#}, ")


def test_a_rule_that_the_sources_disagree_about_is_advice_while_the_operator_is_unknown(write: WriteFile) -> None:
    assert findings(write, f"Pay at {{#url#}}{TIMES}") == (
        [],
        ["sources disagree on {#url#}: at vi a value must begin with http://, https:// or www."],
    )
    assert findings(write, f"Pay at {{#url#}}{TIMES}", operator="vi") == ([], [])
    assert findings(write, f"Dear {{#alp#}}{TIMES}", operator="vi") == ([], [])
    assert len(findings(write, f"Dear {{#alp#}}{TIMES}", operator="jio")[1]) == 1


@pytest.mark.parametrize(("text", "has_advice"), [("Order - T I Mesum", False), ("Thank you for it. See you", True)])
def test_a_header_may_abbreviate_the_brand(write: WriteFile, text: str, has_advice: bool) -> None:
    assert bool(findings(write, text)[1]) is has_advice
