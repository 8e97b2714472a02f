import pytest

from times_dispatch.sms.placeholders import right_spelling, unfilled


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("{#VAR#}", "{#var#}"),
        ("{# var #}", "{#var#}"),
        ("{#var1#}", "{#var#}"),
        ("{#var_2#}", "{#var#}"),
        ("{#var}", "{#var#}"),
        ("{var#}", "{#var#}"),
        ("{##var##}", "{#var#}"),
        ("[#var#]", "{#var#}"),
        ("##var##", "{#var#}"),
        ("#numeric#", "{#numeric#}"),
        ("{#alphanumeric 1#}", "{#alphanumeric#}"),
        ("{# urlott #}", "{#urlott#}"),
        ("{#mobile#}", "{#cbn#}"),
        ("{#name#}", "{#alp#}"),
    ],
)
def test_the_right_spelling_of_a_slot_is_named(written: str, right: str) -> None:
    assert right_spelling(f"Dear {written}, hello") == f"write {right} for {written}"


@pytest.mark.parametrize("text", ["Dear {#var#}", "{#num#}{#alp#}", "#1 of #2", "Order #12#", "{#foo#}", "a # b", ""])
def test_nothing_else_is_corrected(text: str) -> None:
    assert right_spelling(text) == ""


@pytest.mark.parametrize(
    "placeholder",
    [
        "##name##",
        "#name#",
        "{name}",
        "{first name}",
        "{0}",
        "{{1}}",
        "{{ name }}",
        "${name}",
        "$$name",
        "[[name]]",
        "<Name>",
        "<%= name %>",
        "%s",
        "%(name)s",
        "%name%",
    ],
)
def test_placeholders_that_nothing_fills_are_found(placeholder: str) -> None:
    assert unfilled(f"Dear {placeholder}, hello") == [placeholder]


@pytest.mark.parametrize(
    "text", ["50% off", "Rs 5", "<#> code 12", "[Times] hello", "5 < 6 > 4", "A/c XX12", "100%sure", "#1"]
)
def test_other_texts_have_no_placeholder(text: str) -> None:
    assert unfilled(text) == []
