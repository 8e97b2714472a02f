"""Compressed HTTP bodies, decompressed within a bound: ``gzip`` and ``deflate`` (RFC 9110, section 8.4.1)."""

import zlib
from typing import Final

GZIP_MAGIC: Final = b"\x1f\x8b\x08"
"""How every gzip stream begins; no JSON, form or text begins like this."""

_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS
_MAX_CODINGS: Final = 3
_MAX_MEMBERS: Final = 64
"""How many gzip members a body may have: each is decompressed with a copy of all that follow."""


class UnknownEncoding(ValueError):
    """The body has an encoding that cannot be decompressed here."""


class BodyDamaged(ValueError):
    """The body is not what its encoding says: it is damaged, or it has no end."""


def codings_of(content_encoding: str) -> list[str]:
    """Return the codings of a Content-Encoding header in the order in which they were applied, without ``identity``."""
    names = [name.strip().strip("\"'").lower().removeprefix("x-") for name in content_encoding.split(",")]
    return [name for name in names if name not in {"", "identity", "none"}]


def decompress(body: bytes, content_encoding: str, *, max_bytes: int) -> bytes:
    """Return a body without its compression; at most ``max_bytes`` and one byte more, which says that there is more.

    A body that begins like gzip is decompressed whatever the header says, because some servers forget the header, and
    a body that is not compressed although its header says so is returned as it is, because some servers forget that.

    Raises:
        UnknownEncoding: the header names another coding than gzip and deflate.
        BodyDamaged: the body cannot be decompressed.
    """
    codings = codings_of(content_encoding)
    if unknown := set(codings) - {"gzip", "deflate"}:
        raise UnknownEncoding(", ".join(sorted(unknown)))
    if len(codings) > _MAX_CODINGS:
        raise UnknownEncoding("more than three codings")
    if not codings and body.startswith(GZIP_MAGIC):
        codings = ["gzip"]
    for number, coding in enumerate(reversed(codings)):
        if not body or body.lstrip()[:1] in {b"{", b"["}:
            break
        is_last = number == len(codings) - 1
        # Inner codings are bounded too: what they hold is at most as long as the body that comes of it.
        body = (_gunzip if coding == "gzip" else _inflate)(body, max_bytes if is_last else 2 * max_bytes)
    return body


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
    """Return up to ``max_bytes`` of one compressed stream, and what follows the stream."""
    stream = zlib.decompressobj(wbits)
    try:
        content = stream.decompress(body, max_bytes)
    except zlib.error as error:
        raise BodyDamaged(str(error)) from None
    if len(content) < max_bytes and not stream.eof:
        raise BodyDamaged("the compressed body is incomplete")
    return content, stream.unused_data
