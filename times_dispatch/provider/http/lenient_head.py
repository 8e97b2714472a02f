"""Repairs the head of a response that strict parsers refuse, by the lenient rules of RFC 9112."""

import re
from typing import Final

_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_MAX_END_BYTES: Final = 4
_LINE_END: Final = re.compile(rb"\r?\n")
BEGINNING: Final = b"HTTP/1."
"""The beginning of every response."""
_STATUS_LINE: Final = re.compile(rb"(HTTP/1\.[0-9])[ \t]++([0-9]{3})(?:[ \t]++(.*+))?")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")


class HeadInvalid(ValueError):
    """The bytes are no head of a response, or an ambiguous head."""


def has_end_of_head(received: bytes, searched: int) -> bool:
    """Return whether a head ends in the bytes; no head ends in the first *searched* bytes."""
    return _END_OF_HEAD.search(received, max(0, searched - _MAX_END_BYTES + 1)) is not None


def skip_announcements(received: bytes) -> bytes:
    """Return the bytes after the interim responses (100, 103).

    Raises:
        HeadInvalid: the bytes after the interim responses are no response, or a head has no status line.
    """
    while True:
        received = received.lstrip(b"\r\n")
        if not received.startswith(BEGINNING[: len(received)]):
            raise HeadInvalid("the bytes are no response")
        end = _END_OF_HEAD.search(received)
        if end is None:
            return received
        status = _status_of(_LINE_END.split(received[: end.start()], 1)[0])
        if not status[2].startswith(b"1") or status[2] == b"101":
            return received
        received = received[end.end() :]


def repair_response(received: bytes) -> bytes | None:
    """Return a received response with a well-formed head; None if more bytes are needed.

    The function accepts bare line feeds (RFC 9112, section 2.2), several blanks in the status line (4), blanks before a
    colon (5.1), folded fields and blanks before the first field (5.2, 2.2), a repeated but equal Content-Length (6.3),
    and a Content-Length beside a transfer coding, which overrides the length (6.3). Interim responses are left out.

    Raises:
        HeadInvalid: the head is no head, or is ambiguous: two different lengths, bare carriage returns, zero bytes, or
            lines that are no fields.
    """
    received = skip_announcements(received)
    end = _END_OF_HEAD.search(received)
    if end is None:
        return None
    status_line, *lines = _LINE_END.split(received[: end.start()])
    status, rest = _status_of(status_line), received[end.end() :]
    version = b"HTTP/1.0" if status[1] == b"HTTP/1.0" else b"HTTP/1.1"
    repaired = b"%b %b %b\r\n" % (version, status[2], _without_controls(status[3] or b""))
    return repaired + b"".join(b"%b: %b\r\n" % field for field in _fields(lines)) + b"\r\n" + rest


def _status_of(line: bytes) -> re.Match[bytes]:
    status = _STATUS_LINE.fullmatch(line)
    if status is None:
        raise HeadInvalid("the first line is no status line")
    return status


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the fields, with at most one length; raise HeadInvalid if a line is no field, or if lengths differ."""
    unfolded: list[tuple[bytes, bytes]] = []
    for line in lines:
        if b"\r" in line or b"\0" in line:
            raise HeadInvalid("a line has a bare carriage return or a zero byte")
        if line[:1] in {b" ", b"\t"}:
            if unfolded:
                name, value = unfolded[-1]
                unfolded[-1] = (name, value + b" " + line.strip())
            continue  # blank lines before the first field are ignored
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        if not colon or not _NAME.fullmatch(name):
            raise HeadInvalid("a line is no field")
        unfolded.append((name, value.strip(b" \t")))
    return _with_one_length([(name, _without_controls(value)) for name, value in unfolded])


def _with_one_length(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    lengths: set[bytes] = set()
    others: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if name.lower() == b"content-length":
            lengths.update(part.strip(b" \t") for part in value.split(b","))
        else:
            others.append((name, value))
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
        raise HeadInvalid("the lengths differ, or are no lengths")
    if lengths and not any(name.lower() == b"transfer-encoding" for name, _ in others):
        others.append((b"Content-Length", lengths.pop()))
    return others


def _without_controls(value: bytes) -> bytes:
    return re.sub(rb"[\x01-\x08\x0a-\x1f\x7f]", b" ", value)
