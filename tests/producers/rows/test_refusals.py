import msgspec

from producers.rows.refusals import Finding, RefusalReason, RefusedRow, examples


def test_no_two_reasons_are_one() -> None:
    assert len(set(RefusalReason)) == len(RefusalReason.__members__) == 12
    assert all(reason.advice and reason.value for reason in RefusalReason)


def test_the_value_of_a_reason_is_its_kind_and_not_its_advice() -> None:
    assert RefusalReason.CALLBACK_NUMBER.value == "callback number"
    assert RefusalReason.EMPTY.value == "empty"
    assert RefusalReason.EMPTY.advice.startswith("fill the cell")


def test_an_example_masks_the_number_and_shows_the_value() -> None:
    link = RefusedRow(4, Finding(RefusalReason.LINK, "name holds a link", "evil.in"), ("9876543210", "see evil.in"))

    [example] = examples([link], to=0)

    assert (example.line, example.to, example.reason, example.value) == (4, "9876***210", "link", "evil.in")
    assert example.advice == RefusalReason.LINK.advice


def test_an_invalid_number_is_masked_as_a_value_too() -> None:
    [example] = examples([RefusedRow(2, Finding(RefusalReason.NUMBER, "to is empty", "98765x"), ("98765x",))], to=0)

    assert (example.to, example.value) == ("98***x", "98***x")


def test_a_row_of_another_shape_shows_no_number() -> None:
    [example] = examples([RefusedRow(2, Finding(RefusalReason.SHAPE, "has 1 cell"), ("9876543210",))], to=0)

    assert (example.to, example.value) == ("", "")


def test_the_json_of_an_example_keeps_its_older_names() -> None:
    [example] = examples([RefusedRow(2, Finding(RefusalReason.EMPTY, "name is empty"), ("9876543210", ""))], to=0)

    assert list(msgspec.to_builtins(example)) == ["line", "to", "rule", "value", "to_do"]
