import json

import msgspec
import pytest

from times_dispatch.provider.reports.encoded_rows import event_in, rows_in_text

ROWS = [{"ts": 1, "meta": "m"}]
TEXT = json.dumps(ROWS)


@pytest.mark.parametrize("event", [{"name": "delivered", "id": 5}, ["delivered"], {"0": "delivered"}])
def test_the_one_name_in_an_object_or_array_is_the_event(event: object) -> None:
    assert event_in(json.dumps(event).encode()) == b'"delivered"'


@pytest.mark.parametrize("event", [{"a": "delivered", "b": "failed"}, ["delivered", "failed"], [], {"a": 1}, ["foo"]])
def test_an_event_with_no_name_or_several_names_is_refused(event: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        event_in(json.dumps(event).encode())


@pytest.mark.parametrize("text", [TEXT, json.dumps(TEXT), json.dumps(json.dumps(TEXT)), TEXT.replace('"', '\\"')])
def test_rows_are_read_from_a_text_that_was_encoded_several_times(text: str) -> None:
    content, raw = rows_in_text(msgspec.Raw(json.dumps(text).encode() if not text.startswith('"') else text.encode()))
    assert json.loads(content) == json.loads(bytes(raw)) == ROWS


@pytest.mark.parametrize("text", ["delivered", "[broken", ""])
def test_a_text_without_rows_is_unchanged(text: str) -> None:
    data = msgspec.Raw(json.dumps(text).encode())
    assert rows_in_text(data) == (bytes(data), data)
