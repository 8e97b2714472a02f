"""The request for an OAuth token, and the meaning of its response (RFC 6749 sections 4.4 and 5)."""

import re
from base64 import b64encode
from typing import Final
from urllib.parse import quote_plus, urlencode

import httpx
import msgspec

from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.unreadable_json import UNREADABLE_JSON

DEFAULT_LIFETIME_S: Final = 300.0
"""The lifetime, in seconds, of a token for which the server sends no lifetime."""
MIN_LIFETIME_S: Final = 1.0
MAX_LIFETIME_S: Final = 86_400.0

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")
_ERROR_WORD: Final = re.compile(r"[a-z_]{1,40}")
_RETRYABLE_STATUSES: Final = frozenset({408, 425, 429})


class TokenGranted(msgspec.Struct, frozen=True):
    """The server granted a token."""

    authorization: str
    """The value of the Authorization header: ``Bearer`` and the token."""
    lifetime_s: float

    def __repr__(self) -> str:
        return f"TokenGranted(lifetime_s={self.lifetime_s})"


class TokenRefused(msgspec.Struct, frozen=True):
    """The server refused for a permanent reason: credentials, scope or address are wrong."""

    reason: str
    """A short sentence without anything secret."""


class TokenEndpointUnavailable(msgspec.Struct, frozen=True):
    """There was no usable response; a later request may get a usable response."""

    reason: str
    """A short sentence without anything secret."""


TokenResponse = TokenGranted | TokenRefused | TokenEndpointUnavailable


def token_request(credentials: ClientCredentials, *, timeout_s: float) -> httpx.Request:
    """Return the request for a token."""
    form = [("grant_type", "client_credentials")]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if credentials.in_body:
        form += [("client_id", credentials.client_id), ("client_secret", credentials.client_secret)]
    else:
        login = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()
    timeouts = dict.fromkeys(("connect", "pool", "read", "write"), timeout_s)
    content = urlencode([*form, *credentials.extra]).encode("ascii")
    return httpx.Request(
        "POST", credentials.token_url, headers=headers, content=content, extensions={"timeout": timeouts}
    )


def read_response(status: int, body: bytes) -> TokenResponse:
    """Return the meaning of an HTTP response to a token request."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE_JSON:
        document = None
    fields = document if isinstance(document, dict) else {}
    if 200 <= status < 300:
        return _granted(fields)
    error = fields.get("error")
    word = f": {error}" if isinstance(error, str) and _ERROR_WORD.fullmatch(error) else ""
    reason = f"HTTP {status}{word}"
    if 300 <= status < 500 and status not in _RETRYABLE_STATUSES:
        return TokenRefused(reason)
    return TokenEndpointUnavailable(reason)


def _granted(fields: dict[str, object]) -> TokenResponse:
    token, token_type = fields.get("access_token"), fields.get("token_type", "Bearer")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return TokenEndpointUnavailable("the response holds no access_token")
    # Some servers write BearerToken for the same type.
    if not isinstance(token_type, str) or not token_type.lower().startswith("bearer"):
        return TokenRefused("the token is of a type that is not Bearer")
    return TokenGranted(f"Bearer {token}", _lifetime_s(fields.get("expires_in")))


def _lifetime_s(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) else DEFAULT_LIFETIME_S
    except ValueError:
        seconds = DEFAULT_LIFETIME_S
    if not seconds > 0:
        seconds = DEFAULT_LIFETIME_S
    return min(max(seconds, MIN_LIFETIME_S), MAX_LIFETIME_S)
