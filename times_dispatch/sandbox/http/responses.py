"""The HTTP responses of the sandbox, byte for byte, including faulty ones (docs/domain.md section 1)."""

import orjson
from aiohttp import web

from times_dispatch.sandbox.account import ACCEPTED, AUTHENTICATION_FAILED, SENDER_UNKNOWN

DESCRIPTIONS = {
    200: "Message accepted successfully",
    400: "Bad request",
    2051: "Sender id is not registered",
    2054: "Invalid mobile number",
    2070: "Authentication failure",
    5001: "Template is missing or not approved",
    6001: "Insufficient balance",
    7001: "DLT content id is missing",
}
HTTP_STATUS = {200: 200, 400: 400, 2051: 400, 2054: 400, 2070: 200, 5001: 400, 6001: 200, 7001: 400}
"""The HTTP status of each code. 2070 with HTTP 200 and 2054 with HTTP 400 were observed at the provider. The other
statuses are invented: a client must decide by the body alone.
"""

BARE_WORDS = {AUTHENTICATION_FAILED: b"Authentication failure", SENDER_UNKNOWN: b"INVALID_SOURCE_ADDRESS"}

GARBAGE = (
    b"",
    b"<html><body><h1>Gateway</h1></body></html>",
    b'{"transactionId": 2055',
    b"\x00\xff\xfe\x80",
    b"[]",
    b'{"state": null, "statusCode": null}',
)

_PAGE = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center></body></html>"


def json_body(code: int, *, transaction: int, parts: int, as_strings: bool) -> bytes:
    """Return the JSON of a response; only an acceptance has ``transaction`` and ``parts``."""
    accepted = code == ACCEPTED
    number = transaction if accepted else 0
    response: dict[str, object] = {
        "transactionId": str(number) if as_strings else number,
        "state": "SUBMIT_ACCEPTED" if accepted else "SUBMIT_FAILED",
        "statusCode": str(code) if as_strings else code,
        "description": DESCRIPTIONS[code],
    }
    if accepted:
        response["pdu"] = parts
    return orjson.dumps(response)


def json_response(code: int, content: bytes) -> web.Response:
    """Return a response in JSON, with the HTTP status of its code."""
    return web.Response(body=content, status=HTTP_STATUS[code], content_type="application/json")


def bare_word(code: int) -> web.Response:
    """Return a refusal that is a bare word instead of JSON."""
    return web.Response(body=BARE_WORDS[code], status=HTTP_STATUS[code], content_type="text/plain")


def error_page(status: int, *, retry_after_s: int | None = None) -> web.Response:
    """Return an HTML page such as a proxy sends."""
    headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return web.Response(body=_PAGE % (status, status), status=status, content_type="text/html", headers=headers)


def garbage(draw: float) -> web.Response:
    """Return HTTP 200 with a body that no client can read; ``draw`` in [0, 1) chooses the body."""
    return web.Response(body=GARBAGE[int(draw * len(GARBAGE))], content_type="application/json")


def truncated(content: bytes) -> bytes:
    """Return the bytes of a response whose head announces ``content``, and whose body is half of ``content``."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
    return head + content[: len(content) // 2]
