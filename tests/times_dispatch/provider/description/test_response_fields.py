import json

import pytest

from times_dispatch.provider.description.response_fields import ResponseFields, json_reader, parse_path, text_reader

ANSWER = {"messages": [{"status": {"code": "0"}, "message-id": 17, "a/b": {"~": "odd"}}], "n": {"2": "two"}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("messages.0.status.code", "0"),
        ("/messages/0/status/code", "0"),
        ("messages.0.message-id", 17),
        ("/messages/0/a~1b/~0", "odd"),
        ("n.2", "two"),
        ("messages.1.status", None),
        ("messages.x", None),
        ("messages.-1", None),
        ("messages.0.status.code.deeper", None),
        ("nowhere", None),
    ],
)
def test_a_path_leads_through_objects_and_arrays(path: str, expected: object) -> None:
    fields = json_reader({"id": path})(json.dumps(ANSWER).encode())
    assert fields is not None
    assert fields.id == expected
    assert fields.code is None


def test_no_path_leads_nowhere() -> None:
    assert parse_path("") == ()
    fields = json_reader({"id": "", "code": "n"})(b'{"":5}')
    assert fields is not None
    assert (fields.id, fields.code) == (None, None)


@pytest.mark.parametrize("paths", [{"id": "id", "code": "c"}, {"id": "id", "code": "c.d"}, {"id": "id", "text": "id"}])
def test_a_value_that_is_neither_object_nor_array_has_no_fields(paths: dict[str, str]) -> None:
    read = json_reader(paths)
    for body in (b"", b'"OK"', b"5", b"<html>", b'{"id":', b"[" * 100_000, b"\xff"):
        assert read(body) is None
    for body in (b'{"id":"7"}', b'\xef\xbb\xbf{"id":"7"}', b'{"id":"7","x":"\xff"}'):
        fields = read(body)
        assert fields is not None
        assert fields.id == "7"


@pytest.mark.parametrize("key", ['a"b', "a\\b", "\x00", "a\nb"])
def test_a_key_may_be_as_odd_as_json_allows(key: str) -> None:
    fields = json_reader({"id": "/" + key})(json.dumps({key: 1}).encode())
    assert fields is not None
    assert fields.id == 1


def test_a_text_is_read_by_the_groups_of_a_pattern() -> None:
    read = text_reader(r"^(?P<code>\d+)\|(?:\d+):(?P<id>\S+)")
    assert read(b"1701|919876543210:abc-1\n") == ResponseFields(code="1701", id="abc-1")
    assert read(b"1702") is None
    assert read(b"\xff\xfe") is None
    assert read(b" " * 5_000 + b"1701|9:x") is None


def test_a_byte_order_mark_before_a_text_does_not_matter() -> None:
    read = text_reader(r"^(?P<code>\d+)\|(?P<id>\w+)")
    assert read(b"\xef\xbb\xbf1701|5") == read(b"1701|5") == ResponseFields(code="1701", id="5")


@pytest.mark.parametrize("key", ["code", r"c\u006fde", r"\u0063ode"])
def test_a_key_twice_with_two_values_is_ambiguous_in_every_spelling(key: str) -> None:
    read = json_reader({"code": "code"})
    assert read(f'{{"code": 200, "{key}": 7}}'.encode()) is None
    assert read(f'{{"code": 200, "{key}": 200}}'.encode()) is not None
