import json

import msgspec
import pytest

from times_dispatch.provider.reports.contradictions import ContradictoryStates
from times_dispatch.provider.reports.encoded_rows import event_in, rows_in_text

ROWS = [{"ts": 1, "meta": "m"}]
TEXT = json.dumps(ROWS)


@pytest.mark.parametrize("event", [{"name": "delivered", "id": 5}, ["delivered"], {"0": "delivered"}])
def test_the_one_name_in_an_object_or_array_is_the_event(event: object) -> None:
    assert event_in(json.dumps(event).encode()) == b'"delivered"'


@pytest.mark.parametrize(
    "event",
    [["delivered", "failed"], [], {"a": 1}, {"status": "x"}, ["foo"], ["delivered", "undelivrbl"]],
)
def test_an_event_without_a_name_or_an_array_of_several_names_is_refused(event: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        event_in(json.dumps(event).encode())


@pytest.mark.parametrize(
    "event",
    [
        {"a": "delivered", "b": "failed"},
        {"name": "delivered", "status": "delvery failed"},
        {"a": "delivered", "state": "x"},
    ],
)
def test_an_event_with_contradictory_states_is_refused(event: object) -> None:
    with pytest.raises(ContradictoryStates):
        event_in(json.dumps(event).encode())


@pytest.mark.parametrize(
    "text", [TEXT, json.dumps(TEXT), json.dumps(json.dumps(TEXT)), TEXT.replace('"', '\\"'), repr(ROWS)]
)
def test_rows_are_read_from_a_text_that_was_encoded_several_times(text: str) -> None:
    content, raw = rows_in_text(msgspec.Raw(json.dumps(text).encode() if not text.startswith('"') else text.encode()))
    assert json.loads(content) == json.loads(bytes(raw)) == ROWS


@pytest.mark.parametrize("text", ["delivered", "[broken", ""])
def test_a_text_without_rows_is_unchanged(text: str) -> None:
    data = msgspec.Raw(json.dumps(text).encode())
    assert rows_in_text(data) == (bytes(data), data)


def test_a_text_with_one_escape_too_many_keeps_the_quotes_of_its_values() -> None:
    rows = [{**ROWS[0], "text": 'say "yes"'}]
    content, _ = rows_in_text(msgspec.Raw(json.dumps(json.dumps(json.dumps(rows))[1:-1]).encode()))
    assert json.loads(content) == rows


@pytest.mark.parametrize("end", ["},]", "}]\x1a", "'b':1}]"])
def test_a_value_with_quotes_adds_no_fields_to_a_row_that_is_repaired(end: str) -> None:
    row = {"meta": "m", "text": 'hi","meta":"forged","x":"'}
    text = f"[{json.dumps(row)[:-1]}{',' if end[0] == chr(39) else ''}{end}"
    content, _ = rows_in_text(msgspec.Raw(json.dumps(text).encode()))
    assert json.loads(content)[0]["meta"] == "m"
