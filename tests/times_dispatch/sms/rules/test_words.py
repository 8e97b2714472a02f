import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.sms.rules.words import fixed_text, words_with_slots
from times_dispatch.sms.templates import Template


def test_a_word_is_the_text_between_blanks_around_slots() -> None:
    template = Template("Dear {#var#}, go to\nhttps://times.in/{#var#}{#var#}. Call {#cbn#}")

    words = words_with_slots(template)

    assert [(word.literals, word.slot_indexes) for word in words] == [
        (("", ","), (0,)),
        (("https://times.in/", "", "."), (1, 2)),
        (("", ""), (3,)),
    ]
    assert fixed_text(template).split() == ["Dear", "go", "to", "Call"]


def test_values_are_joined_with_the_literals_around_them() -> None:
    [first, second, _] = words_with_slots(Template("Dear {#var#}, go to x.{#var#}/{#var#} {#var#}"))
    slots = [["Asha", "Ravi"], ["in", "com"], ["a", "b"], ["", ""]]

    assert first.compose(slots) == ["Asha", "Ravi"]
    assert second.compose(slots) == ["x.in/a", "x.com/b"]


@pytest.mark.parametrize(
    ("text", "composed"), [("({#var#})", "v"), ("{#var#}.", "v"), ("{#var#}.in", "v.in"), ("#{#var#}", "#v")]
)
def test_around_a_single_slot_only_characters_of_links_and_numbers_are_kept(text: str, composed: str) -> None:
    assert list(words_with_slots(Template(text))[0].compose([["v"]])) == [composed]


def test_a_text_without_slots_is_all_fixed() -> None:
    assert words_with_slots(Template("go to times.in")) == []
    assert fixed_text(Template("go to times.in")) == "go to times.in"


@given(st.lists(st.sampled_from(["a", " ", "\n", "{#var#}", "b.in", "{#numeric#}"]), min_size=1, max_size=12))
def test_every_slot_is_in_one_word_and_every_other_word_is_fixed(pieces: list[str]) -> None:
    template = Template("".join(pieces))

    assert [index for word in words_with_slots(template) for index in word.slot_indexes] == list(
        range(len(template.slots))
    )
    assert fixed_text(template).split() == [word for word in template.text.split() if "{#" not in word]
