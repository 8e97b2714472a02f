from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.recipients import BrokenRow, Chunk, Heading
from producers.recipients.cell_text import tidy
from producers.rows.checker import RowChecker
from producers.rows.damage import DamageCheck
from producers.rows.refusals import Finding, RefusalReason, duplicate
from producers.rows.slots import SlotsFromVariables
from producers.rows.variables import Variable
from producers.rows.whitelists import Whitelists
from tests.kit.producers import chunk_of
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.templates import Slot, SlotKind, Template

NAMES = ("to", "name", "amount")
DUPLICATE = duplicate("").message


class AnyLink(LinkWhitelist):
    def __init__(self) -> None:
        super().__init__(())

    def allows(self, link: str) -> bool:
        return True


class AnyNumber(NumberWhitelist):
    def __init__(self) -> None:
        super().__init__(())

    def allows(self, number: str) -> bool:
        return True


def checker_of(
    text: str = "Dear {#var#}, Rs {#var#}.", variables: Sequence[str] = ("{name}", "{amount}")
) -> RowChecker:
    heading = Heading(Path("a.csv"), 1, NAMES)
    bound = [Variable(variable, heading) for variable in variables]
    template = Template(text)
    whitelists = Whitelists(template, links=AnyLink(), numbers=AnyNumber())
    return RowChecker(SlotsFromVariables(template, bound), names=NAMES, to=0, max_length=30, whitelists=whitelists)


@pytest.mark.parametrize(
    ("fill", "most"),
    [("a", 255 * 153), ("€", 255 * 76), ("ब", 255 * 67), ("😀", 255 * 33)],
    ids=["one septet", "two septets", "UCS-2", "a surrogate pair"],
)
def test_a_text_has_at_most_255_parts(fill: str, most: int) -> None:
    text = fill * (most - 2) + "{#var#}"
    checker = checker_of(text, ["{name}"])

    checked = checker.check(
        chunk_of(("9876543210", fill * 3, ""), ("9876543210", fill * 2, ""), ("9876543211", fill, ""))
    )

    assert [(row.line, row.finding.reason, row.finding.message) for row in checked.refused] == [
        (2, RefusalReason.LENGTH, "the text takes more than 255 parts")
    ]
    assert (checked.lines, checked.parts) == ([3, 4], [255, 255])


@pytest.mark.parametrize(("length", "refused"), [(255 * 153, 0), (255 * 153 + 1, 2)])
def test_a_registered_text_without_slots_has_at_most_255_parts_too(length: int, refused: int) -> None:
    checked = checker_of("a" * length, []).check(chunk_of(("9876543210", "", ""), ("9876543211", "", "")))

    assert len(checked.refused) == refused


def test_good_rows_become_messages_by_column() -> None:
    checker = checker_of()

    checked = checker.check(chunk_of(("+91 98765-43210", "Asha", "5.00"), ("9876543211", " आशा\u00a0देवी ", "6")))

    assert checked.lines == [2, 3]
    assert checked.to == ["919876543210", "919876543211"]
    assert checked.slots == [["Asha", "आशा\u00a0देवी"], ["5.00", "6"]]
    assert checked.parts == [1, 1]
    assert checked.refused == []
    assert (checker.accepted, checker.parts_counter.gsm_messages, checker.parts_counter.ucs2_messages) == (2, 1, 1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("", "Asha", "5"), "to is empty"),
        (("98765", "Asha", "5"), "to is "),
        (("98765\x0043210", "Asha", "5"), "to contains characters that no phone number has"),
        (("9876543211", "", "5"), "name is empty"),
        (("9876543211", " \t", "5"), "name is empty"),
        (("9876543211", "a" * 31, "5"), "variable 1 ({name}) is longer than 30 characters"),
        (("9876543211", "Asha\nPatel", "5"), "variable 1 ({name}) contains a line break or a control character"),
        (("9876543211", "As\0ha", "5"), "variable 1 ({name}) contains a line break or a control character"),
        (("9876543210", "Asha", "5"), DUPLICATE),
        (("+91-98765 43210", "Ravi", "6"), DUPLICATE),
        (("x", "", ""), "to "),
    ],
)
def test_a_bad_row_is_refused_with_its_line_reason_and_cells(row: tuple[str, str, str], reason: str) -> None:
    checker = checker_of()
    good, last = ("9876543210", "Asha", "5"), ("9876543299", "Ravi", "6")

    checked = checker.check(chunk_of(good, row, last, first_line=7))

    assert checked.lines == [7, 9]
    assert checked.to == ["919876543210", "919876543299"]
    assert checked.slots == [["Asha", "Ravi"], ["5", "6"]]
    [refused] = checked.refused
    assert (refused.line, refused.cells) == (8, row)
    assert refused.finding.message.startswith(reason)
    assert checker.refused == {refused.finding.message: 1}
    assert not any(cell in refused.finding.message for cell in row if len(cell) > 3 and cell.strip())


def test_a_value_of_exactly_the_maximum_length_is_accepted() -> None:
    assert checker_of().check(chunk_of(("9876543210", "a" * 30, "5"))).refused == []


def test_a_number_whose_first_row_was_refused_is_no_duplicate() -> None:
    checked = checker_of().check(
        chunk_of(("9876543210", "", "5"), ("9876543210", "Asha", "5"), ("9876543210", "Ravi", "5"))
    )

    assert checked.lines == [3]
    assert [(refused.line, refused.finding.message) for refused in checked.refused] == [
        (2, "name is empty"),
        (4, DUPLICATE),
    ]


def test_duplicates_are_found_over_chunks() -> None:
    checker = checker_of()
    checker.check(chunk_of(("9876543210", "Asha", "5")))

    assert checker.check(chunk_of(("09876543210", "Asha", "5"), first_line=3)).refused[0].finding.message == DUPLICATE
    assert checker.accepted == 1


def test_broken_rows_stand_among_the_refused_in_the_order_of_lines() -> None:
    chunk = Chunk([2, 4], [("x", "a", "b"), ("y", "a", "b")], [BrokenRow(3, "has 1 cell, the heading has 3", ("z",))])

    checked = checker_of().check(chunk)

    assert [(refused.line, refused.cells) for refused in checked.refused] == [
        (2, ("x", "a", "b")),
        (3, ("z",)),
        (4, ("y", "a", "b")),
    ]
    assert checked.to == []


def test_only_columns_that_are_used_must_be_filled() -> None:
    checker = checker_of("Dear {#var#}.", ["{name}"])

    assert checker.check(chunk_of(("9876543210", "Asha", ""))).to == ["919876543210"]


def test_the_length_of_a_value_is_that_of_the_composed_text() -> None:
    assert len("Rs 12345 by now, please, dear.") == 30
    checker = checker_of("Pay {#var#}.", ["Rs {amount} by now, please, dear."])

    checked = checker.check(chunk_of(("9876543210", "", "123456"), ("9876543211", "", "12345")))

    assert checked.slots == [["Rs 12345 by now, please, dear."]]
    assert checked.refused[0].finding.message.endswith("is longer than 30 characters")


def test_a_template_without_slots_needs_only_numbers() -> None:
    checked = checker_of("Closed tomorrow.", []).check(chunk_of(("9876543210", "", "")))

    assert (checked.to, checked.slots, checked.parts) == (["919876543210"], [], [1])


characters = st.characters(codec="utf-8")
kinds = st.sampled_from(["var", "numeric", "number", "alphanumeric", "url", "urlott", "cbn", "email"])
text = (
    st.text(characters, max_size=33)
    | st.text("0123456789", max_size=33)
    | st.text("aé आ\u200dि1\n\x7f\u2028_", max_size=4)
    | st.sampled_from(["a.in", "https://a.in/x", "a@b.in", "1800 123 456"])
)


@given(kinds, st.lists(text, min_size=1, max_size=6))
def test_checking_a_chunk_agrees_with_checking_each_value(kind: SlotKind, values: list[str]) -> None:
    checker = checker_of(f"{{#{kind}#}}", ["{name}"])
    texts = list(map(tidy, values))
    fits = [DamageCheck().of(text) is None and Slot(kind).check(text, 30) is None for text in texts]

    checked = checker.check(chunk_of(*((str(9_000_000_000 + n), value, "") for n, value in enumerate(values))))

    assert checked.lines == [line for line, fit in enumerate(fits, 2) if fit]


class SeenByWhitelists(Whitelists):
    """Whitelists that remember in which values they searched."""

    values: Sequence[Sequence[str]] = ()

    def findings(
        self, slots: Sequence[Sequence[str]], to: Sequence[str], names: Sequence[str]
    ) -> Iterator[tuple[int, Finding]]:
        self.values = slots
        return super().findings(slots, to, names)


def test_values_that_are_refused_already_are_not_searched_for_links() -> None:
    template = Template("Dear {#var#}, bye")
    whitelists = SeenByWhitelists(template, links=LinkWhitelist([]), numbers=NumberWhitelist([]))
    checker = RowChecker(
        SlotsFromVariables(template, [Variable("{name}", Heading(Path("a.csv"), 1, NAMES))]),
        names=NAMES,
        to=0,
        max_length=30,
        whitelists=whitelists,
    )

    refused = checker.check(
        chunk_of(
            ("9876543210", "a.in/" * 20_000, "1"), ("9876543211", "#REF! a.in/x", "1"), ("9876543212", "a.in/x", "1")
        )
    ).refused

    assert whitelists.values == [["", "", "a.in/x"]]
    assert [row.finding.reason for row in refused] == [
        RefusalReason.SLOT,
        RefusalReason.DAMAGED,
        RefusalReason.LINK,
    ]
