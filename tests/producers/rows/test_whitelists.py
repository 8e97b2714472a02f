import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.rows.refusals import Finding, RefusalReason
from producers.rows.whitelists import Whitelists
from times_dispatch.sms.rules import callback_numbers, links
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.templates import Template

OWN = "919000000001"


def whitelists(text: str, *, numbers: list[str] | None = None) -> Whitelists:
    """Return whitelists with one domain, and no numbers unless some are given."""
    return Whitelists(Template(text), links=LinkWhitelist(["times.in"]), numbers=NumberWhitelist(numbers or []))


def findings_of(lists: Whitelists, *values: str) -> list[tuple[RefusalReason, str]]:
    """Return the reason and the value of each finding in one row."""
    slots = [[value] for value in values]
    names = [f"slot {number}" for number in range(1, len(slots) + 1)]
    return [(finding.reason, finding.value) for _, finding in lists.findings(slots, [OWN], names)]


@pytest.mark.parametrize(
    ("text", "values", "link"),
    [
        ("Pay at {#var#}", ["https://evil.example/x"], "https://evil.example/x"),
        ("Pay at {#var#}", ["evil.in"], "evil.in"),
        ("Pay at {#var#}", ["https://times.in/x"], None),
        ("Pay at {#url#}", ["evil.zz"], "evil.zz"),
        ("Pay at {#url#}", ["https://times.in/x?y=1"], None),
        ("Pay at {#urlott#}", ["https://times.in/app.apk"], "https://times.in/app.apk"),
        ("Pay at https://{#var#}", ["evil.zz/x"], "https://evil.zz/x"),
        ("Pay at times.in/{#var#}", ["x"], None),
        ("Pay at times.in{#var#}", [".evil.com"], "times.in.evil.com"),
        ("Pay at {#var#}{#var#}", ["https://ev", "il.zz/x"], "https://evil.zz/x"),
        ("Pay at {#var#}.com", ["evil"], "evil.com"),
        ("Dear {#var#}.", ["Mr.Rao"], None),
        ("Mail {#email#}", ["a@b.in"], None),
        ("Pay {#numeric#}", ["5"], None),
    ],
)
def test_a_link_in_a_value_or_made_by_one_must_be_whitelisted(text: str, values: list[str], link: str | None) -> None:
    assert findings_of(whitelists(text), *values) == ([(RefusalReason.LINK, link)] if link else [])


@pytest.mark.parametrize("row", [0, 49, 50, 51, 119])
def test_the_row_of_a_finding_is_right_however_many_rows_stand_before_it(row: int) -> None:
    values = ["Asha"] * 120
    values[row] = "https://evil.zz"
    findings = list(whitelists("Dear {#var#}").findings([values], ["919000000001"] * 120, ["name"]))
    assert [index for index, _ in findings] == [row]


def test_a_number_in_a_callback_number_slot_must_be_whitelisted() -> None:
    assert findings_of(whitelists("Call {#cbn#}"), "1800 123 4567") == [
        (RefusalReason.CALLBACK_NUMBER, "1800 123 4567")
    ]
    assert findings_of(whitelists("Call {#cbn#}", numbers=["18001234567"]), "1800 123 4567") == []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Call 98765 {#var#}", ["43210"]),
        ("Call 98765-{#var#}", ["43210"]),
        ("Call {#var#} {#var#}", ["98765", "43210"]),
        ("Reach {#var#} {#var#} {#var#} now", ["1800", "123", "4568"]),
        ("Call {#num#} {#num#}", ["98765", "43210"]),
        ("Call {#var#} 43210 now", ["98765"]),
        ("Call +91 {#var#}", ["98765 43210"]),
        ("Call 1800\n{#var#}", ["123 4568"]),
        ("Call {#num#}", ["9876543210"]),
        ("Call {#num#}", ["1930"]),
        ("SMS HELP to {#num#}", ["56767"]),
    ],
)
def test_a_number_half_in_a_slot_and_half_beyond_a_blank_is_seen(text: str, values: list[str]) -> None:
    without, with_list = whitelists(text), whitelists(text, numbers=["18001234567"])

    assert findings_of(without, *values) == []
    assert without.unlisted_numbers == 1
    assert [reason for reason, _ in findings_of(with_list, *values)] == [RefusalReason.CALLBACK_NUMBER]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Call 1800 {#var#}", ["123 4567"]),
        ("Call {#var#} {#var#}", ["1800", "1234567"]),
        ("Dear {#var#} {#var#}", ["Asha", "Rao 43210"]),
        ("Ref 98765 {#var#}", ["43210"]),
        ("Bill {#num#} {#num#}", ["98765", "43210"]),
        ("Dated 26 {#var#} 2026", ["11"]),
    ],
)
def test_a_whitelisted_number_and_other_digits_over_a_blank_are_allowed(text: str, values: list[str]) -> None:
    assert findings_of(whitelists(text, numbers=["18001234567"]), *values) == []


def test_numbers_elsewhere_are_refused_only_if_there_is_a_list() -> None:
    without, with_list = whitelists("Call {#var#}"), whitelists("Call {#var#}", numbers=["18001234567"])

    assert findings_of(without, "9876543210") == []
    assert without.unlisted_numbers == 1
    assert findings_of(with_list, "9876543210") == [(RefusalReason.CALLBACK_NUMBER, "9876543210")]
    assert findings_of(with_list, "1800-1234567") == []
    assert with_list.unlisted_numbers == 0


@pytest.mark.parametrize(
    ("text", "value", "number"),
    [
        ("Call {#var#}", "26543210", "26543210"),
        ("Call us at our office {#var#}", "2265432100", "2265432100"),
        ("Bill {#var#}", "26543210", None),
        ("Order no. {#var#}", "9876543210", None),
        ("Your UTR is {#var#}", "919876543210", None),
        ("Rs {#var#}", "9876543210", None),
        ("Ref {#var#} or call {#alp#}", "9876543210", "9876543210"),
    ],
)
def test_the_words_before_a_slot_say_whether_its_value_is_a_number_to_call(
    text: str, value: str, number: str | None
) -> None:
    lists = whitelists(text, numbers=["139"])

    assert findings_of(lists, *[value] * text.count("{#")) == (
        [(RefusalReason.CALLBACK_NUMBER, number)] if number else []
    )


def test_a_recipients_own_number_is_not_one_to_call() -> None:
    lists = whitelists("Your number {#var#} is recharged", numbers=["139"])

    assert findings_of(lists, "9000000001") == []
    assert findings_of(lists, "+91 90000 00001") == []


def test_the_registered_text_itself_is_compared_too() -> None:
    lists = whitelists("See evil.in or times.in/a, call 1800 123 4567 {#var#}", numbers=["139"])

    assert lists.problems_in_text() == [
        "links to evil.in, which is not whitelisted",
        "names the number 1800 123 4567, which is not whitelisted",
    ]
    assert lists.unlisted_numbers_in_text() == []


def test_without_a_list_the_numbers_of_the_text_are_returned() -> None:
    lists = whitelists("Call 1800 123 4567")

    assert (lists.problems_in_text(), lists.unlisted_numbers_in_text()) == ([], ["1800 123 4567"])


def test_only_rows_with_an_unlisted_link_have_a_finding() -> None:
    lists = whitelists("See {#var#}")
    slots = [["times.in", "evil.in", "nothing", "http://evil.zz"]]

    assert [index for index, _ in lists.findings(slots, [OWN] * 4, ["slot 1"])] == [1, 3]


values = st.text("a1.:/ -", max_size=12) | st.sampled_from(
    ["https://x.in/y", "x.in", "www.", "9876543210", "1800 123 456", "://"]
)


@given(st.lists(values, min_size=1, max_size=5))
def test_searching_a_chunk_agrees_with_searching_each_text(column: list[str]) -> None:
    lists = whitelists("Dear {#var#}, hello", numbers=["139"])
    bad = [
        index
        for index, value in enumerate(column)
        if LinkWhitelist(["times.in"]).missing(value) or callback_numbers.find(value)
    ]

    indices = {index for index, _ in lists.findings([column], [OWN] * len(column), ["slot 1"])}

    assert sorted(indices) == bad


@given(
    st.text("a1.:/ -,)(", max_size=12), st.sampled_from(["{#var#}", "({#var#})", "{#var#}.", "x{#var#}", "{#var#}/"])
)
def test_the_text_around_a_slot_hides_no_link(value: str, around: str) -> None:
    text = around.replace("{#var#}", value)

    assert bool(findings_of(whitelists(f"go {around} now"), value)) >= bool(
        LinkWhitelist(["times.in"]).missing(f"go {text} now")
    )
    assert links.find(text) == links.find(f"go {text} now") or " " in value


cells = st.sampled_from(
    [
        "Asha",
        "OD12345678",
        "OD18001234",
        "x.in",
        "9876543210",
        "43210",
        "98765",
        "1800 123 4567",
        "112",
        "राव ९८७६५४३२१०",
    ]
)


@given(
    st.sampled_from(
        ["Dear {#var#}, order {#var#}", "Call {#var#} {#var#}", "Go {#url#} or {#num#}", "{#alp#}/{#var#}."]
    ),
    st.lists(st.tuples(cells, cells), max_size=6),
    st.integers(0, 700),
    st.booleans(),
)
def test_the_findings_of_many_rows_are_those_of_each_row(
    text: str, rows: list[tuple[str, str]], plain_before: int, has_list: bool
) -> None:
    rows = [("Asha", "OD1")] * plain_before + rows + [("Ravi", "OD2")] * (plain_before // 2)
    together, alone = (whitelists(text, numbers=["1930"] if has_list else None) for _ in range(2))
    names = ["slot 1", "slot 2"]
    expected = [
        (index, finding)
        for index, row in enumerate(rows)
        for _, finding in alone.findings([[value] for value in row], [OWN], names)
    ]
    columns = [[row[slot] for row in rows] for slot in range(2)]

    found = list(together.findings(columns, [OWN] * len(rows), names))

    assert _by_row(found) == _by_row(expected)
    assert together.unlisted_numbers == alone.unlisted_numbers


def _by_row(findings: list[tuple[int, Finding]]) -> dict[int, list[Finding]]:
    return {index: [finding for row, finding in findings if row == index] for index, _ in findings}
