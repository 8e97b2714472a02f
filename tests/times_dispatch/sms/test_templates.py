import time
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from times_dispatch.sms.templates import Slot, SlotKind, Template, TemplateInvalid

KINDS: tuple[SlotKind, ...] = get_args(SlotKind)
GOOD: dict[SlotKind, st.SearchStrategy[str]] = {
    "var": st.text("abc 12\u0928\u093f\u200d😀{#}", max_size=30),
    "numeric": st.text("0123456789", min_size=1, max_size=30),
    "number": st.text("0123456789", min_size=1, max_size=30),
    "alphanumeric": st.from_regex("[a-z0-9नि][a-z0-9 नमस्ते]{0,28}", fullmatch=True).filter(
        lambda value: Slot("alphanumeric").check(value) is None
    ),
    "url": st.sampled_from(["https://ex.in/a?b=c#d", "ex.in", "http://a-b.example.org:80/", "EX.IN/x"]),
    "urlott": st.sampled_from(["https://play.ex.in/app", "ex.in/apk"]),
    "cbn": st.sampled_from(["1800 123 4567", "+919876543210", "022-23456789", "139"]),
    "email": st.sampled_from(["a@ex.in", "first.last+tag@mail.ex.co.in"]),
}


@st.composite
def filled_templates(draw: st.DrawFn, literal: str = "ab \n{é₹") -> tuple[Template, list[str]]:
    """Draw a template, slots next to each other included, and good values for its slots."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=5))
    literals = draw(st.lists(st.text(literal, max_size=4), min_size=len(kinds) + 1, max_size=len(kinds) + 1))
    text = literals[0] + "".join(f"{{#{kind}#}}{after}" for kind, after in zip(kinds, literals[1:], strict=True))
    return Template(text or "a"), [draw(GOOD[kind]) for kind in kinds]


def matches_naively(template: Template, text: str, max_length: int, index: int = 0) -> bool:
    """Try every length for every slot: right, and exponential."""
    if not text.startswith(template.literals[index]):
        return False
    rest = text[len(template.literals[index]) :]
    if index == len(template.slots):
        return not rest
    return any(
        template.slots[index].check(rest[:length], max_length) is None
        and matches_naively(template, rest[length:], max_length, index + 1)
        for length in range(min(template.slots[index].max_length(max_length), len(rest)) + 1)
    )


@given(filled_templates())
def test_a_text_made_from_a_template_with_good_values_matches_it(filled: tuple[Template, list[str]]) -> None:
    template, values = filled
    assert [slot.check(value) for slot, value in zip(template.slots, values, strict=True)] == [None] * len(values)
    assert template.matches(template.render(values))


@given(filled_templates("abc\n"), st.data())
def test_a_text_with_a_changed_character_outside_the_slots_does_not_match(
    filled: tuple[Template, list[str]], data: st.DataObject
) -> None:
    template, _ = filled
    # The values have no letter of the literals; otherwise a slot could rightly match the changed character.
    template = Template("".join(f"{literal}{{#numeric#}}" for literal in template.literals) + "z")
    pieces = [piece for literal in template.literals for piece in (literal, "42")][:-1]
    changeable = [index for index in range(0, len(pieces), 2) if pieces[index]]
    index = data.draw(st.sampled_from(changeable))
    at = data.draw(st.integers(0, len(pieces[index]) - 1))
    literal = pieces[index]
    changed = data.draw(
        st.sampled_from([other for other in ("a", "b", "\r\n", "", " ", "5", "A") if other != literal[at]])
    )
    pieces[index] = literal[:at] + changed + literal[at + 1 :]
    assert not template.matches("".join(pieces)) or "".join(pieces) == template.render(["42"] * len(template.slots))


@given(
    st.lists(st.sampled_from(["a", "b", "{#var#}", "{#numeric#}", "{#alphanumeric#}"]), min_size=1, max_size=6),
    st.text("ab1\n", max_size=8),
    st.integers(0, 4),
)
@example(["{#var#}", "a", "{#var#}", "a"], "aaa", 1)
@example(["{#var#}", "{#numeric#}", "{#var#}"], "ab1ab", 2)
def test_matching_equals_trying_every_split(pieces: list[str], text: str, max_length: int) -> None:
    template = Template("".join(pieces))
    assert template.matches(text, max_length) == matches_naively(template, text, max_length)


@given(
    st.lists(st.sampled_from(["a", "b", "{#var#}", "{#numeric#}", "{#alphanumeric#}"]), min_size=1, max_size=6),
    st.text("ab1\n", max_size=8),
    st.integers(0, 4),
)
@example(["{#var#}", "{#numeric#}", "{#var#}"], "ab1ab", 2)
def test_the_values_of_a_matching_text_give_the_text_again(pieces: list[str], text: str, max_length: int) -> None:
    template = Template("".join(pieces))

    values = template.extract_values(text, max_length)

    assert (values is not None) is template.matches(text, max_length)
    if values is not None:
        assert template.render(values) == text
        assert all(slot.check(value, max_length) is None for slot, value in zip(template.slots, values, strict=True))


@given(
    st.lists(st.sampled_from(["a", "b", "{#var#}", "{#numeric#}"]), min_size=1, max_size=6), st.text("ab1", max_size=8)
)
def test_values_are_found_between_the_literals_or_the_first_missing_literal_is_returned(
    pieces: list[str], text: str
) -> None:
    template = Template("".join(pieces))

    cut = template.values_between_literals(text)

    if isinstance(cut, list):
        assert template.render(cut) == text
    else:
        assert 0 <= cut < len(template.literals)
        assert not template.matches(text, len(text))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Dear Asha, pay 5. Bye", ["Asha", "5"]),
        ("Dear , pay . Bye", ["", ""]),
        ("Dear Asha, pay 5, pay 6. Bye", ["Asha", "5, pay 6"]),
        ("dear Asha, pay 5. Bye", 0),
        ("Dear Asha, 5. Bye", 1),
        ("Dear Asha, pay 5. Bye!", 2),
        ("Dear Asha, pay 5. By", 2),
    ],
)
def test_the_index_of_the_missing_literal_is_returned(text: str, cut: list[str] | int) -> None:
    assert Template("Dear {#var#}, pay {#var#}. Bye").values_between_literals(text) == cut


@pytest.mark.parametrize(
    ("registered", "text", "matching"),
    [
        ("Dear {#var#}, hello", "Dear Asha, hello", True),
        ("Dear {#var#}, hello", "Dear , hello", True),
        ("Dear {#var#}, hello", "Dear Asha,  hello", False),
        ("Dear {#var#}, hello", "dear Asha, hello", False),
        ("Dear {#var#}, hello", "Dear Asha, hello.", False),
        ("Dear {#var#}, hello", "Dear Asha\nRao, hello", False),
        ("one\ntwo {#var#}", "one\r\ntwo x", False),
        ("one\r\ntwo {#var#}", "one\r\ntwo x", True),
        ("no slots", "no slots", True),
        ("no slots", "no slots ", False),
        ("OTP {#numeric#}", "OTP 1234", True),
        ("OTP {#numeric#}", "OTP 12a4", False),
        ("OTP {#numeric#}", "OTP ", False),
        ("café", "cafe\u0301", False),
        ("{#var#}{#var#}", "x" * 60, True),
        ("{#var#}{#var#}", "x" * 61, False),
        ("{#var#} off {#var#} off", "10 off on two off x off", True),
        ("{#numeric#}{#url#}", "12ex.in/a", True),
    ],
)
def test_the_text_equals_the_template_byte_for_byte_outside_the_slots(
    registered: str, text: str, matching: bool
) -> None:
    assert Template(registered).matches(text) is matching


@pytest.mark.parametrize(
    ("length", "max_length", "fits"), [(29, 30, True), (30, 30, True), (31, 30, False), (40, 40, True)]
)
def test_a_value_has_a_maximal_length(length: int, max_length: int, fits: bool) -> None:
    value = "न" * length
    assert (Slot("var").check(value, max_length) is None) is fits
    assert Template("a {#var#} b").matches(f"a {value} b", max_length) is fits


@pytest.mark.parametrize(("max_length", "fits"), [(5, False), (6, True)])
def test_a_value_is_not_too_long_if_the_text_can_be_split_in_several_ways(max_length: int, fits: bool) -> None:
    # The number must be "125 34": the text after the second 5 begins with a blank, so it is no number.
    assert Template("{#var#}5{#cbn#}").matches("5125 34", max_length) is fits


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("var", "a\nb"),
        ("var", "a\rb"),
        ("var", "a\u2028b"),
        ("var", "nul\x00"),
        ("numeric", ""),
        ("numeric", "1,000"),
        ("numeric", "-5"),
        ("number", "१२"),
        ("alphanumeric", ""),
        ("alphanumeric", " "),
        ("alphanumeric", "A-12"),
        ("alphanumeric", "_b"),
        ("alphanumeric", "10:30"),
        ("alphanumeric", "राहुल।"),
        ("url", "not a link"),
        ("url", "https://"),
        ("url", "ex.in/a b"),
        ("url", "localhost"),
        ("url", "javascript:alert(1)"),
        ("urlott", "ex"),
        ("cbn", "12"),
        ("cbn", "98765432109876543"),
        ("cbn", "call us"),
        ("email", "a@b"),
        ("email", "a..b@ex.in"),
        ("email", ".a@ex.in"),
        ("email", "a b@ex.in"),
        ("email", "@ex.in"),
    ],
)
def test_a_value_of_another_type_is_refused_with_a_reason_that_does_not_repeat_it(kind: SlotKind, value: str) -> None:
    reason = Slot(kind).check(value)
    assert reason
    assert len(value) < 2 or value not in reason
    assert not Template(f"a{{#{kind}#}}").matches("a" + value)


@pytest.mark.parametrize(
    "value", ["27.9.2026", "ABC/DEF/123", "a_b", "Asha Rao", "A12", "राहुल शर्मा", "হ্যালো", "ക്\u200dഷ", "12"]
)
def test_alphanumeric_means_letters_and_digits_of_any_indian_script(value: str) -> None:
    assert Slot("alphanumeric").check(value) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Dear {#foo#}", "unknown slot {#foo#}"),
        ("Dear {#VAR#}", "unknown slot {#VAR#}"),
        ("Dear {#VAR#}", "; write {#var#} for {#VAR#}"),
        ("Dear {#var1#}", "; write {#var#} for {#var1#}"),
        ("Dear {#NUM_2#}", "; write {#num#} for {#NUM_2#}"),
        ("Dear {# var #}", "not closed, or not written like {#var#}; write {#var#} for {# var #}"),
        ("Dear {#var}", "not closed"),
        ("Dear {#var #}", "not closed"),
        ("Dear var#}", "not closed"),
        ("Dear {##}", "not closed"),
        ("Dear {#va\nr#}", "not closed"),
    ],
)
def test_a_text_that_cannot_have_been_registered_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        Template(text)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_template_is_split_at_its_slots_in_order() -> None:
    template = Template("Dear {#var#},\nOTP {#numeric#}{#url#}")
    assert template.literals == ("Dear ", ",\nOTP ", "", "")
    assert template.slots == (Slot("var"), Slot("numeric"), Slot("url"))
    assert template.text == "Dear {#var#},\nOTP {#numeric#}{#url#}"


def test_slots_are_filled_in_order_and_a_value_that_looks_like_a_slot_stays_as_it_is() -> None:
    assert Template("{#var#} owes {#var#}").render(["{#var#}", "Asha"]) == "{#var#} owes Asha"


@pytest.mark.parametrize("values", [[], ["a"], ["a", "b", "c"]])
def test_filling_with_too_few_or_too_many_values_is_an_error(values: list[str]) -> None:
    with pytest.raises(ValueError, match="values for 2 slots"):
        Template("{#var#}{#var#}").render(values)


@pytest.mark.parametrize("kind", KINDS)
def test_matching_forty_slots_with_a_hostile_text_takes_bounded_time(kind: SlotKind) -> None:
    template = Template(f"{{#{kind}#}}" * 40 + "!")
    started = time.process_time()
    for unit in ("a", "1", "a.bc", "a@b.cd", "1 "):
        assert not template.matches((unit * 1200)[:1200])
    assert time.process_time() - started < 5  # naive backtracking would need longer than the universe has existed
