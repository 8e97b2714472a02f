"""Decompresses HTTP bodies up to a maximum size: ``gzip`` and ``deflate`` (RFC 9110, section 8.4.1)."""

import zlib
from typing import Final

GZIP_MAGIC: Final = b"\x1f\x8b\x08"
"""The first bytes of every gzip stream; no JSON, form or text begins with these bytes."""

_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS
_MAX_CODINGS: Final = 3
_NO_CODINGS: Final = frozenset({"", "identity", "none", "7bit", "8bit", "binary", "utf-8", "utf8", "chunked"})
"""Values without compression, some of which belong into other headers."""
_JSON_BEGINNINGS: Final = (b"{", b"[", b"\xef\xbb\xbf{", b"\xef\xbb\xbf[")
_ZLIB_BEGINNING: Final = b"x"
_MAX_MEMBERS: Final = 64
"""The maximum number of gzip members of a body: decompressing a member copies all members after it."""


class UnknownEncoding(ValueError):
    """The body has an encoding that this module cannot decompress."""


class BodyDamaged(ValueError):
    """The body does not have the form of its encoding: the body is damaged or incomplete."""


def codings_of(content_encoding: str) -> list[str]:
    """Return the codings of a Content-Encoding header that compress, in the order in which they were applied."""
    names = [name.strip().strip("\"'").lower().removeprefix("x-") for name in content_encoding.split(",")]
    return [name for name in names if name not in _NO_CODINGS]


def decompress(body: bytes, content_encoding: str, *, max_bytes: int) -> bytes:
    """Return the decompressed body, at most ``max_bytes`` + 1 bytes; the last byte shows that the body is too long.

    A body that begins like gzip is decompressed even without the header, because some servers forget the header. A body
    that is not compressed despite its header is returned unchanged, because some servers forget to compress. A body in
    the other of the two formats is decompressed too, because PHP's ``gzcompress`` writes ``deflate``.

    Raises:
        UnknownEncoding: the header names another coding than gzip and deflate.
        BodyDamaged: the body cannot be decompressed.
    """
    codings = codings_of(content_encoding)
    if unknown := set(codings) - {"gzip", "deflate"}:
        if _is_json_text(body):
            return body
        raise UnknownEncoding(", ".join(sorted(unknown)))
    if len(codings) > _MAX_CODINGS:
        raise UnknownEncoding("more than three codings")
    if not codings and body.startswith(GZIP_MAGIC):
        codings = ["gzip"]
    for number, coding in enumerate(reversed(codings)):
        if not body or body.lstrip().startswith(_JSON_BEGINNINGS):
            break
        is_last = number == len(codings) - 1
        # Inner codings are limited too, because compressed data is hardly longer than the decompressed body.
        body = (_gunzip if _is_gzip(body, coding) else _inflate)(body, max_bytes if is_last else 2 * max_bytes)
    return body


def _is_json_text(body: bytes) -> bool:
    """Return whether a body is a text that begins like JSON; a body of ``br`` may begin with the same byte."""
    if not body.lstrip().startswith(_JSON_BEGINNINGS):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_gzip(body: bytes, coding: str) -> bool:
    """Return whether a body has the format of ``gzip``: by its first bytes, else by the name of its coding."""
    return body.startswith(GZIP_MAGIC) or (coding == "gzip" and not body.startswith(_ZLIB_BEGINNING))


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    """Decompress one gzip member or several; zeros after the last member are padding."""
    parts: list[bytes] = []
    size = 0
    rest = body
    while rest and size <= max_bytes:
        if len(parts) == _MAX_MEMBERS:
            raise BodyDamaged("the compressed body has too many members")
        part, rest = _decompress_one(rest, _GZIP_WBITS, max_bytes + 1 - size)
        parts.append(part)
        size += len(part)
        rest = rest.lstrip(b"\0")
    return b"".join(parts)


def _inflate(body: bytes, max_bytes: int) -> bytes:
    """Decompress ``deflate``: the zlib format, or the raw stream that some servers send instead."""
    try:
        return _decompress_one(body, zlib.MAX_WBITS, max_bytes + 1)[0]
    except BodyDamaged:
        return _decompress_one(body, -zlib.MAX_WBITS, max_bytes + 1)[0]


def _decompress_one(body: bytes, wbits: int, max_bytes: int) -> tuple[bytes, bytes]:
    """Return up to ``max_bytes`` of one compressed stream, and the data after the stream."""
    stream = zlib.decompressobj(wbits)
    try:
        content = stream.decompress(body, max_bytes)
    except zlib.error as error:
        raise BodyDamaged(str(error)) from None
    if len(content) < max_bytes and not stream.eof:
        raise BodyDamaged("the compressed body is incomplete")
    return content, stream.unused_data
