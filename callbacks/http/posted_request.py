"""The request in which reports were posted, kept beside their JSON if the JSON does not say everything."""

from typing import Final

from callbacks.http.posted_body import Headers
from callbacks.request_body import MAX_BODY_BYTES
from times_dispatch.ledger.reports.posted_requests import PLAIN_TYPE, PostedRequest, pack_request

_PLAIN: Final = PLAIN_TYPE.encode()
_MAX_STORED_BYTES: Final = MAX_BODY_BYTES + 1024
"""The maximum size of a kept request and its JSON together: no entry takes more than one of the longest JSON. Dead
letters have the same bound."""
_MAX_GROWTH: Final = 8
"""How many times as long as its stored bytes a kept body may be without its Content-Encoding: it is decompressed for
each search of phone numbers. Forms and UTF-32 take up to four times the bytes of their JSON."""


def request_of(
    method: str, query: bytes, headers: Headers, posted: bytes, *, decompressed_bytes: int, content: bytes
) -> bytes:
    """Return a request as the streams keep it; empty for a POST of JSON, which the stored JSON says.

    It is also empty, so that the request is relayed as JSON, if request and JSON together are too long, or if little is
    stored of a body that is long without its Content-Encoding.

    Args:
        method: the method of the request.
        query: its query.
        headers: its headers.
        posted: its body as it came, with its Content-Encoding.
        decompressed_bytes: the length of the body without its Content-Encoding.
        content: the JSON that was read in the request and is stored. JSON without a Content-Type is relayed as
            ``application/json``.
    """
    is_content = posted == content
    is_plain = headers.get(b"content-type", _PLAIN) == _PLAIN and b"content-encoding" not in headers
    if is_content and is_plain and method == "POST" and not query:
        return b""
    if decompressed_bytes > _MAX_GROWTH * (len(posted) + len(content)):
        return b""
    request = PostedRequest(
        method,
        query.decode("latin-1"),
        headers.text(b"content-type") or (PLAIN_TYPE if is_content else ""),
        headers.text(b"content-encoding"),
        None if is_content else posted,
    )
    packed = pack_request(request)
    return packed if len(packed) + len(content) <= _MAX_STORED_BYTES else b""
