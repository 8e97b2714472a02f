"""The JSON document that the fields of a form, of a query or of a multipart body hold or are."""

import json
import re
from email import message_from_bytes
from email.message import Message
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from times_dispatch.provider.reports.field_names import may_be_row
from times_dispatch.provider.reports.reports import MAX_COMMAS

MAX_FIELDS: Final = MAX_COMMAS
"""How many fields a form may have: as many as a body of JSON has values."""
_MAX_QUERY_FIELDS: Final = 200
_MAX_PARTS: Final = 200
"""How many parts a multipart body may have: reading one takes much longer than reading a field."""
_NESTED: Final = re.compile(r"(\w{1,100})((?:\[\w{0,100}\]){1,6})")
"""Matches the name of a field in nested objects. Without bounds a name of a mebibyte of brackets would hold the
receiver up."""


def json_in_query(query: bytes, max_fields: int = _MAX_QUERY_FIELDS) -> bytes:
    """Return the JSON document in a query or in a form; empty if there is none whose meaning is certain."""
    try:
        text = query.strip().decode("utf-8-sig")
        with_semicolons = ";" in text and "&" not in text and '"' not in text
        return (with_semicolons and _json_between(text, ";", max_fields)) or _json_between(text, "&", max_fields)
    except ValueError:  # also UnicodeDecodeError
        return b""


def _json_between(text: str, separator: str, max_fields: int) -> bytes:
    fields = parse_qsl(text, keep_blank_values=True, max_num_fields=max_fields, separator=separator)
    return json_in_fields(fields)


def json_in_fields(fields: list[tuple[str, str]]) -> bytes:
    """Return the document that one of the fields holds, or that the fields are together; empty if there is none.

    ``response=[…]`` holds the whole document, ``event=delivered&data=[…]`` its parts, and ``event=…&ts=…&meta=…`` are
    the fields of one report. ``data[0][ts]=…`` are the fields of nested objects, as PHP writes them. A field without a
    value, whose name is a document, comes of JSON that was percent-encoded.
    """
    if any(_NESTED.fullmatch(name) for name, _ in fields):
        return msgspec.json.encode([_nested(fields)])
    values = dict(fields)
    if may_be_row(values) and "data" not in values:
        return msgspec.json.encode([values])
    documents = [text for name, value in fields for text in (value or name,) if is_document(text)]
    if len(documents) != 1:
        return b""
    document = documents[0].strip().encode()
    if "event" in values and values.get("data", "").strip().encode() == document:
        return msgspec.json.encode([{"event": values["event"], "data": msgspec.Raw(document)}])
    return document


def multipart_fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Return the names and values of the parts of a multipart body."""
    if body.count(b"\n--") > _MAX_PARTS + 1:  # each part, also of a part, begins with such a line
        return []
    head = b"Content-Type: %b\r\n\r\n" % content_type.replace("\r", "").replace("\n", "").encode("latin-1", "replace")
    parts = message_from_bytes(head + body).get_payload()
    fields: list[tuple[str, str]] = []
    for part in (parts if isinstance(parts, list) else [])[:_MAX_PARTS]:
        if not isinstance(part, Message):
            continue
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(value, bytes):
            fields.append((name, value.decode(errors="replace")))
    return fields


def is_document(text: str) -> bool:
    """Return whether a text is a JSON object or array."""
    if not text.lstrip().startswith(("[", "{")):
        return False
    try:
        return isinstance(json.loads(text, strict=False), list | dict)
    except (ValueError, RecursionError):
        return False


def _nested(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the objects that names such as ``data[0][ts]`` describe; arrays are objects with numbers as keys."""
    root: dict[str, Any] = {}
    for name, value in fields:
        match = _NESTED.fullmatch(name)
        steps = [match[1], *match[2][1:-1].split("][")] if match else [name]
        node = root
        for step in steps[:-1]:
            inner = node.setdefault(step or str(len(node)), {})
            if not isinstance(inner, dict):
                break
            node = inner
        else:
            node[steps[-1] or str(len(node))] = value
    return root
