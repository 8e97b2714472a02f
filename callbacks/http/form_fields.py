"""The JSON document in the fields of a form, a query or a multipart body: in one field, or made of all fields."""

import json
import re
from contextlib import suppress
from email.message import Message
from email.parser import BytesHeaderParser
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from times_dispatch.provider.reports.event_kinds import is_report
from times_dispatch.provider.reports.field_names import by_known_name, event_names, is_known, may_be_row, plain_name
from times_dispatch.provider.reports.reports import MAX_COMMAS

MAX_FIELDS: Final = MAX_COMMAS
"""How many fields a form may have: as many as a body of JSON has values."""
_MAX_QUERY_FIELDS: Final = 200
_MAX_PARTS: Final = 200
"""How many parts a multipart body may have: a part takes much longer to read than a field of a form."""
_MAX_CONTENT_TYPE: Final = 1_000
_MAX_HEAD: Final = 2_000
"""Bytes of the head of a part: its header lines."""
_EMPTY_LINE: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_BACKSLASH: Final = re.compile(r"""\\(["'\\])""")
_MAX_BEFORE_QUOTE: Final = 40
"""In how many characters of a document its first name begins."""
_NESTED: Final = re.compile(r"(\w{1,100})((?:\[\w{0,100}\]){1,6})")
"""Matches the name of a field in nested objects. Without bounds a name of a mebibyte of brackets would keep
the receiver busy."""


def json_in_query(query: bytes, max_fields: int = _MAX_QUERY_FIELDS) -> bytes:
    """Return the JSON document in a query or in a form; empty if there is none whose meaning is certain."""
    try:
        text = query.strip().decode("utf-8-sig").removeprefix("?").replace("&amp;", "&")
        with_semicolons = ";" in text and "&" not in text and '"' not in text
        return (with_semicolons and _json_between(text, ";", max_fields)) or _json_between(text, "&", max_fields)
    except ValueError:  # also UnicodeDecodeError
        return b""


def may_hold_report(query: bytes) -> bool:
    """Return whether a query has a field whose name is known from reports; a report may still lack other fields."""
    try:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError:
        return True
    return any(is_known(name) or is_report(name) for name, _ in fields)


def _json_between(text: str, separator: str, max_fields: int) -> bytes:
    fields = parse_qsl(text, keep_blank_values=True, max_num_fields=max_fields, separator=separator)
    return json_in_fields(fields)


def json_in_fields(fields: list[tuple[str, str]]) -> bytes:
    """Return the document that one of the fields holds, or that all fields form together; empty if there is none.

    ``response=[…]`` holds the whole document, ``event=delivered&data=[…]`` its parts, and ``event=…&ts=…&meta=…`` are
    the fields of one report. ``data[0][ts]=…`` are the fields of nested objects, as PHP writes them. A field without a
    value, whose name is a document, is JSON that was percent-encoded. A form with the fields of two reports, in which a
    field has two values, has no certain meaning. If a form has one field only, and its text looks like several
    documents or a document in Python's quotes, the text is returned as it is; such ``data`` beside ``event`` is kept as
    a text.
    """
    if any(_NESTED.fullmatch(name) for name, _ in fields):
        return b"" if _has_two_values(fields) else msgspec.json.encode([_nested(fields)])
    values = dict(fields) | dict(field for field in fields if field[1])
    if may_be_row(values) and "data" not in values:
        return b"" if _has_two_meanings(fields, values) else msgspec.json.encode([values])
    documents = [text for text in (_document_in(value or name) for name, value in fields) if text]
    if len(documents) != 1:
        return b"" if documents else _unread_document(fields, values)
    document = documents[0].encode("utf-8", "replace")
    if "event" in values and _document_in(values.get("data", "")) == documents[0]:
        if _has_two_values(fields):
            return b""
        return msgspec.json.encode([{"event": values["event"], "data": msgspec.Raw(document)}])
    return document


def _unread_document(fields: list[tuple[str, str]], values: dict[str, str]) -> bytes:
    """Return the text of a document that only the parser of reports can read; empty if another field would be lost."""
    filled = [name for name, value in fields if value]
    name = "data" if sorted(filled) == ["data", "event"] else filled[0] if len(filled) == 1 else ""
    text = _without_quotes(values.get(name, ""))
    if text[:1] + text[-1:] not in {"[]", "{}"}:
        return b""
    if len(filled) == 1:
        return text.encode("utf-8", "replace")
    return msgspec.json.encode([{"event": values["event"], "data": text}])


def _has_two_values(fields: list[tuple[str, str]]) -> bool:
    """Return whether a field of a report has two values."""
    return bool(_repeated(fields))


def _repeated(fields: list[tuple[str, str]]) -> set[str]:
    """Return the names of fields of a report that have two values; names with ``[]`` are the values of an array."""
    values: dict[str, str] = {}
    return {
        name
        for name, value in fields
        if value and values.setdefault(name, value) != value and "[]" not in name and is_known(_last_step(name))
    }


def _has_two_meanings(fields: list[tuple[str, str]], values: dict[str, str]) -> bool:
    """Return whether the report is read from a field with two values; two values of any other field do not matter."""
    repeated = set(map(plain_name, _repeated(fields)))
    once = {name: value for name, value in values.items() if plain_name(name) not in repeated}
    return bool(repeated) and (event_names(once), by_known_name(once)) != (event_names(values), by_known_name(values))


def _last_step(name: str) -> str:
    """Return the last step of a path: ``ts`` of ``data[0][ts]``."""
    return name.rstrip("]").rpartition("[")[2]


def multipart_fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Return the names and values of the parts of a multipart body; none if a head or the count exceeds its bound.

    A part that is itself multipart is not a field. The standard library parses only the heads of parts: it would take
    minutes for a mebibyte of semicolons in a head, and a second for a mebibyte of nested parts.
    """
    parts = _parts(body, content_type)
    return [field for part in parts if (field := _field(part))]


def _parts(body: bytes, content_type: str) -> list[bytes]:
    if len(content_type) > _MAX_CONTENT_TYPE:
        return []
    boundary = _head(b"Content-Type: " + content_type.encode("latin-1", "replace")).get_boundary()
    if not boundary:
        return []
    # a pattern that begins with fixed bytes is searched ten times as fast as one that begins with a line end
    line = rb"--%b(--)?[ \t]*+(?=[\r\n]|\Z)" % re.escape(boundary.encode("latin-1", "replace"))
    parts, begin = list[bytes](), -1
    for match in re.finditer(line, body):
        if match.start() and body[match.start() - 1] not in b"\r\n":
            continue
        if begin >= 0:
            parts.append(_without_last_line_end(body[begin : match.start()]))
        if len(parts) > _MAX_PARTS:
            return []
        if match[1]:
            return parts
        begin = match.end()
    return [*parts, _without_last_line_end(body[begin:])] if begin >= 0 else []


def _without_last_line_end(part: bytes) -> bytes:
    return part.removesuffix(b"\n").removesuffix(b"\r") if part.endswith(b"\n") else part.removesuffix(b"\r")


def _field(part: bytes) -> tuple[str, str] | None:
    empty_line = _EMPTY_LINE.search(part, 0, _MAX_HEAD)
    if not empty_line:
        return None
    message, content = _head(part[: empty_line.start()].strip()), part[empty_line.end() :]
    if message.get_content_maintype() == "multipart":
        return None
    name = message.get_param("name", header="content-disposition")
    message.set_payload(content.decode("ascii", "surrogateescape"))
    value = message.get_payload(decode=True)
    return (name, value.decode(errors="replace")) if isinstance(name, str) and isinstance(value, bytes) else None


def _head(head: bytes) -> Message:
    return BytesHeaderParser().parsebytes(head + b"\r\n\r\n")


def is_document(text: str) -> bool:
    """Return whether a text is a document: a JSON object or array."""
    if not text.lstrip().startswith(("[", "{")):
        return False
    try:
        return isinstance(json.loads(text, strict=False), list | dict)
    except (ValueError, RecursionError):
        return False


def _without_quotes(text: str) -> str:
    """Return a text without the single quotes that some scripts write around a document."""
    text = text.strip()
    return text[1:-1].strip() if text[:1] == "'" == text[-1:] else text


def _document_in(text: str) -> str:
    """Return the document that a text is, perhaps after one escape too many; empty if the text is none.

    Some programs escape a document for a form twice, as a string of JSON, for HTML, or with the backslashes of PHP.
    """
    text = text.strip()
    if is_document(text):
        return text
    plain: object = ""
    if text[:3].upper() in {"%5B", "%7B"}:
        plain = unquote(text)
    elif text.startswith('"'):
        with suppress(ValueError, RecursionError):
            plain = json.loads(text, strict=False)
    elif text.startswith(("[", "{")):
        plain = _BACKSLASH.sub(r"\1", text) if '\\"' in text[:_MAX_BEFORE_QUOTE] else unescape(text)
    return plain.strip() if isinstance(plain, str) and is_document(plain) else ""


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
            name_in_node = steps[-1] or str(len(node))
            if value or name_in_node not in node:
                node[name_in_node] = value
    return root
