from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.recipients import Heading
from producers.rows.refusals import RefusalReason
from producers.rows.slots import SlotsFromText, SlotsFromVariables, all_values_valid
from producers.rows.variables import Variable
from times_dispatch.sms.templates import Slot, SlotKind, Template

HEADING = Heading(Path("a.csv"), 1, ("to", "name", "message"))
BILL = Template("Dear {#var#}, your bill is {#numeric#}. - TIMESM")


def from_text(text: str, template: Template = BILL, max_length: int = 30) -> SlotsFromText:
    return SlotsFromText(template, Variable(text, HEADING), max_length=max_length)


def test_variables_fill_the_slots_in_order() -> None:
    source = SlotsFromVariables(BILL, [Variable("{name}", HEADING), Variable("5", HEADING)])

    assert source.columns == {1}
    assert source.names == ["variable 1 ({name})", "variable 2 (5)"]
    assert source.values({1: ["Asha", "Ravi"]}, 2) == ([["Asha", "Ravi"], ["5", "5"]], {})


def test_the_campaigns_own_text_is_cut_into_the_values_of_the_slots() -> None:
    source = from_text("Dear {name}, your bill is {message}. - TIMESM")

    assert source.columns == {1, 2}
    assert source.values({1: ["Asha", ""], 2: ["5", "60"]}, 2) == ([["Asha", ""], ["5", "60"]], {})


def test_a_whole_text_may_come_from_a_column() -> None:
    texts = ["Dear Asha, your bill is 5. - TIMESM", "Dear X, your bill is 7. - TIMESM"]

    assert from_text("{message}").values({2: texts}, 2) == ([["Asha", "X"], ["5", "7"]], {})


@pytest.mark.parametrize(
    ("text", "reason", "value"),
    [
        ("dear Asha, your bill is 5. - TIMESM", "it lacks 'Dear ' at its start", "dear Asha, your bill is 5. - TIMESM"),
        ("Dear Asha, the bill is 5. - TIMESM", "it lacks ', your bill is '", "Asha, the bill is 5. - TIMESM"),
        ("Dear Asha, your bill is 5. - TIMES", "it lacks '. - TIMESM'", "5. - TIMES"),
        ("Dear Asha, your bill is 5. - TIMESM ", "it lacks '. - TIMESM'", "5. - TIMESM "),
        ("Dear Asha,\r\nyour bill is 5. - TIMESM", "it lacks ', your bill is '", "Asha,\r\nyour bill is 5. - TIMESM"),
        ("", "it lacks 'Dear ' at its start", ""),
    ],
)
def test_a_finding_shows_where_a_text_differs(text: str, reason: str, value: str) -> None:
    values, findings = from_text("{message}").values({2: [text]}, 1)

    assert values == [[""], [""]]
    assert findings[0] == (RefusalReason.TEXT, f"text differs from the registered text: {reason}", value)


def test_other_ways_to_cut_are_tried_before_a_value_is_blamed() -> None:
    template = Template("{#var#}, {#numeric#}.")

    assert from_text("{message}", template).values({2: ["a, b, 5."]}, 1) == ([["a, b"], ["5"]], {})
    assert from_text("{message}", template).values({2: ["a, b."]}, 1) == ([["a"], ["b"]], {})


def test_no_rows_give_no_values() -> None:
    assert from_text("{message}").values({2: []}, 0) == ([[], []], {})


@given(st.lists(st.text("ab 1,.", max_size=5), min_size=2, max_size=2))
def test_the_values_of_a_text_render_to_the_same_text(values: list[str]) -> None:
    template = Template("{#var#}, {#var#}. a")
    text = template.render(values)

    slots, findings = from_text("{message}", template).values({2: [text]}, 1)

    assert not findings
    assert template.render([column[0] for column in slots]) == text


@given(
    st.sampled_from(["var", "numeric", "number", "alphanumeric"]),
    st.lists(st.text("a1 é\n\x00\x7f\x85\u2028\u00a0आ😀\ue000\ud800", max_size=4), max_size=4),
)
def test_values_that_are_valid_together_are_valid_one_by_one(kind: SlotKind, values: list[str]) -> None:
    slot = Slot(kind)

    if all_values_valid(slot, values, 3):
        assert [slot.check(value, 3) for value in values] == [None] * len(values)
