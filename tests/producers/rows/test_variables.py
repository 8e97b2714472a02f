from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.recipients import Heading
from producers.rows.variables import Variable, VariableInvalid

HEADING = Heading(Path("customers.csv"), 1, ["to", "Name", "amount", "First name"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{name}", "Asha"),
        ("{ NAME }", "Asha"),
        ("{First name}", "A."),
        ("Rs {amount}", "Rs 5"),
        ("{amount} Rs", "5 Rs"),
        ("{name}: {amount}", "Asha: 5"),
        ("{name}{name}", "AshaAsha"),
        ("{{{name}}}", "{Asha}"),
        ("{{}}: {name} {amount}", "{}: Asha 5"),
        ("100 %", "100 %"),
        ("", ""),
    ],
)
def test_placeholders_are_filled_from_the_columns(text: str, value: str) -> None:
    columns = {0: ["98", "99"], 1: ["Asha", "{amount}"], 2: ["5", "%s"], 3: ["A.", "B."]}

    composed = Variable(text, HEADING).compose(columns, 2)

    assert composed[0] == value
    assert len(composed) == 2


def test_a_value_is_never_read_as_a_placeholder() -> None:
    columns = {1: ["{amount}"], 2: ["{0}{{"]}

    assert Variable("{name}-{amount}", HEADING).compose(columns, 1) == ["{amount}-{0}{{"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{nmae}", "customers.csv has no column nmae; did you mean {Name}?"),
        ("{xyz}", "customers.csv has no column xyz; its columns are to, Name, amount, First name"),
        ("{}", "customers.csv has no column without a name; its columns are to, Name, amount, First name"),
        ("Rs {amount", "the { at character 4 stands alone; write it twice"),
        ("amount}", "the } at character 7 stands alone; write it twice"),
        ("{name!r}", "customers.csv has no column name!r; did you mean {Name}?"),
    ],
)
def test_a_mistake_is_explained(text: str, reason: str) -> None:
    with pytest.raises(VariableInvalid) as invalid:
        Variable(text, HEADING)

    assert str(invalid.value) == reason


@given(st.text("ab{}% \n", max_size=12), st.lists(st.text("{}%s0", max_size=5), min_size=1, max_size=4))
def test_a_text_with_doubled_braces_comes_out_as_it_was(text: str, cells: list[str]) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")

    assert Variable(escaped, HEADING).compose({}, 1) == [text]
    assert Variable(escaped + "{name}", HEADING).compose({1: cells}, len(cells)) == [text + cell for cell in cells]
    assert Variable("{name}" + escaped + "{to}", HEADING).compose({0: cells, 1: cells}, len(cells)) == [
        cell + text + cell for cell in cells
    ]
