"""The JSON in a posted body: decompressed, and taken out of a form, a query, a JSON string or several documents.

JSON that is posted as JSON is not touched: it is stored and relayed byte for byte.
"""

import json
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Final

from callbacks.http.form_fields import MAX_FIELDS, is_document, json_in_fields, json_in_query, multipart_fields
from callbacks.request_body import MAX_BODY_BYTES, BodyTooLong
from times_dispatch.content_encoding import decompress
from times_dispatch.provider.reports.reports import MAX_COMMAS, MAX_ROWS

_JSON_BEGINNINGS: Final = (b"[", b"{")
_MAX_NESTED_STRINGS: Final = 3
"""How many times a document may be encoded as a JSON string."""
_BETWEEN: Final = " \t\r\n,\x1e"
"""What may stand between documents."""


class Headers(dict[bytes, bytes]):
    """The headers of a request by name in lower case; several values of a header are joined by commas."""

    def __init__(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Read the headers of an ASGI scope, whose names are in lower case."""
        super().__init__(headers)
        if len(self) < len(headers):
            self._join(headers)

    def _join(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.clear()
        for name, value in headers:
            self[name] = self[name] + b", " + value if name in self else value

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
    if body.lstrip()[:1] in _JSON_BEGINNINGS and b"\0" not in body[:2]:
        return body
    encoding = json.detect_encoding(body[:4])
    if not encoding.startswith("utf-8"):
        body = body.decode(encoding, "replace").encode()
    plain = body.removeprefix(BOM_UTF8).lstrip()
    if plain[:1] in _JSON_BEGINNINGS:
        return plain
    if plain[:1] == b'"':
        return _in_json_string(plain)
    if plain[:1] == b"'" and plain[1:].lstrip()[:1] in _JSON_BEGINNINGS:
        return plain.strip().strip(b"'").strip()
    if content_type.lower().startswith("multipart/"):
        document = json_in_fields(multipart_fields(body, content_type))
    else:
        document = json_in_query(plain, MAX_FIELDS)
    return document if 0 < len(document) <= MAX_BODY_BYTES else body


def join_documents(body: bytes) -> bytes:
    """Return one array of the objects in several JSON documents that follow one another; empty if there is only one.

    The documents are objects or arrays of objects, each on a line of its own or with commas or nothing between them.
    """
    if body.count(b",") > MAX_COMMAS:
        return b""
    try:
        documents = _documents(body.removeprefix(BOM_UTF8).decode(errors="replace"))
    except (ValueError, RecursionError):
        return b""
    return b"[" + ",".join(documents).encode() + b"]" if len(documents) > 1 else b""


def _documents(text: str) -> list[str]:
    decode, documents, at, read = json.JSONDecoder(strict=False).raw_decode, list[str](), 0, 0
    while at < len(text):
        if text[at] in _BETWEEN:
            at += 1
            continue
        value, end = decode(text, at)
        document = text[at:end]
        if not isinstance(value, dict | list) or read == MAX_ROWS:
            return []
        read += 1
        if isinstance(value, list):
            document = document[1:-1].strip()
        if document:
            documents.append(document)
        at = end
    return documents


def _in_json_string(body: bytes) -> bytes:
    """Return the document that a body of one JSON string holds, or the body if the string holds none."""
    text: object = body.decode(errors="replace")
    for _ in range(_MAX_NESTED_STRINGS):
        try:
            text = json.loads(text, strict=False) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            return body
        if isinstance(text, str) and is_document(text):
            return text.strip().encode("utf-8", "replace")
    return body
