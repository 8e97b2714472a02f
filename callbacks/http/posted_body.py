"""The JSON in a posted body: decompressed, and taken out of a form, a query, a JSON text or lines of JSON.

JSON that is posted as JSON is not touched: it is stored and relayed byte for byte.
"""

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from callbacks.request_body import MAX_BODY_BYTES, BodyTooLong
from times_dispatch.content_encoding import decompress
from times_dispatch.provider.reports.reports import MAX_ROWS, may_be_row
from times_dispatch.unreadable_json import UNREADABLE_JSON

_MAX_FIELDS: Final = 200
_JSON_BEGINNINGS: Final = (b"[", b"{")


class Headers(dict[bytes, bytes]):
    """The headers of a request by name in lower case; several values of a header are joined by commas."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        for name, value in headers:
            key = name.lower()
            self[key] = self[key] + b", " + value if key in self else value

    def text(self, name: bytes) -> str:
        """Return the value of a header; empty if there is none."""
        return self[name].decode("latin-1") if name in self else ""


def decompress_body(body: bytes, encoding: str) -> bytes:
    """Return a body without its Content-Encoding.

    Raises:
        BodyTooLong: the decompressed body has more than ``MAX_BODY_BYTES``.
        UnknownEncoding: the encoding is neither gzip nor deflate.
        BodyDamaged: the body cannot be decompressed.
    """
    content = decompress(body, encoding, max_bytes=MAX_BODY_BYTES)
    if len(content) > MAX_BODY_BYTES:
        raise BodyTooLong
    return content


def json_in(body: bytes, content_type: str) -> bytes:
    """Return the JSON document in a body, or the body itself if it has none whose meaning is certain."""
    if body.lstrip()[:1] in _JSON_BEGINNINGS:
        return body
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return body.decode("utf-16", "replace").encode()
    if body.lstrip()[:1] == b'"':
        return _in_json_text(body)
    if content_type.lower().startswith("multipart/"):
        return json_in_fields(_multipart_fields(body, content_type)) or body
    return json_in_query(body) or body


def json_in_query(query: bytes) -> bytes:
    """Return the JSON document in a query or in a form; empty if there is none whose meaning is certain."""
    try:
        text = query.strip().decode()
        return json_in_fields(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:  # also UnicodeDecodeError
        return b""


def json_in_fields(fields: list[tuple[str, str]]) -> bytes:
    """Return the document that one of the fields holds, or that the fields are together; empty if there is none.

    ``response=[…]`` holds the whole document, ``event=delivered&data=[…]`` its parts, and ``event=…&ts=…&meta=…`` are
    the fields of one report. A field without a value, whose name is a document, comes of JSON that was percent-encoded.
    """
    values = dict(fields)
    if may_be_row(values) and "data" not in values:
        return msgspec.json.encode([values])
    documents = [text for name, value in fields for text in (value or name,) if _is_document(text)]
    if len(documents) != 1:
        return b""
    document = documents[0].strip().encode()
    if "event" in values and values.get("data", "").strip().encode() == document:
        return msgspec.json.encode([{"event": values["event"], "data": msgspec.Raw(document)}])
    return document


def join_lines(body: bytes) -> bytes:
    """Return one array of the JSON objects that stand on the lines of a body; empty if a line is no object."""
    if body.count(b"\n") + body.count(b"\r") > 2 * MAX_ROWS:
        return b""
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    if len(lines) < 2 or not all(line.startswith(b"{") and line.endswith(b"}") for line in lines):
        return b""
    return b"[" + b",".join(lines) + b"]"


def unwrap(body: bytes) -> bytes:
    """Return the document that the only object or array in a JSON object is; empty if there is none, or several."""
    try:
        values = [bytes(value) for value in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).values()]
    except UNREADABLE_JSON:
        return b""
    documents = [document for value in values if (document := _in_json_text(value))[:1] in _JSON_BEGINNINGS]
    return documents[0] if len(documents) == 1 else b""


def _is_document(text: str) -> bool:
    if not text.lstrip().startswith(("[", "{")):
        return False
    try:
        return isinstance(json.loads(text, strict=False), list | dict)
    except (ValueError, RecursionError):
        return False


def _in_json_text(body: bytes) -> bytes:
    """Return the document that a body of one JSON text holds, or the body if the text holds none."""
    if not body.lstrip().startswith(b'"'):
        return body
    try:
        text = json.loads(body, strict=False)
    except (ValueError, RecursionError):
        return body
    return text.encode("utf-8", "replace") if isinstance(text, str) and _is_document(text) else body


def _multipart_fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    if body.count(b"\n--") > _MAX_FIELDS + 1:  # each part, also of a part, begins with such a line
        return []
    head = b"Content-Type: %b\r\n\r\n" % content_type.replace("\r", "").replace("\n", "").encode("latin-1", "replace")
    parts = message_from_bytes(head + body).get_payload()
    fields: list[tuple[str, str]] = []
    for part in (parts if isinstance(parts, list) else [])[:_MAX_FIELDS]:
        if not isinstance(part, Message):
            continue
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(value, bytes):
            fields.append((name, value.decode(errors="replace")))
    return fields
