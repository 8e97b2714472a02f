"""The request for an OAuth token, and what its answer means (RFC 6749 sections 4.4 and 5)."""

import re
from base64 import b64encode
from typing import Final
from urllib.parse import quote_plus, urlencode

import httpx
import msgspec

from times_dispatch.provider.oauth.credentials import ClientCredentials

UNKNOWN_LIFETIME_S: Final = 300.0
"""Of a token whose server does not say how long it is good for."""
SHORTEST_LIFETIME_S: Final = 1.0
LONGEST_LIFETIME_S: Final = 86_400.0

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")
_WORD: Final = re.compile(r"[a-z_]{1,40}")
_PERHAPS_LATER: Final = frozenset({408, 425, 429})


class TokenGranted(msgspec.Struct, frozen=True):
    """A token."""

    authorization: str
    """The header's value: ``Bearer`` and the token."""
    lifetime_s: float

    def __repr__(self) -> str:
        return f"Granted(lifetime_s={self.lifetime_s})"


class TokenRefused(msgspec.Struct, frozen=True):
    """The server said no, and would say so again: credentials, scope or address are wrong."""

    reason: str
    """A short sentence without anything secret."""


class TokenEndpointUnavailable(msgspec.Struct, frozen=True):
    """No usable answer; another try may have one."""

    reason: str


Answer = TokenGranted | TokenRefused | TokenEndpointUnavailable


def request(credentials: ClientCredentials, *, timeout_s: float) -> httpx.Request:
    """Return the request for a token."""
    form = [("grant_type", "client_credentials")]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if credentials.in_body:
        form += [("client_id", credentials.client_id), ("client_secret", credentials.client_secret)]
    else:
        login = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()
    times = dict.fromkeys(("connect", "pool", "read", "write"), timeout_s)
    content = urlencode([*form, *credentials.extra]).encode("ascii")
    return httpx.Request("POST", credentials.token_url, headers=headers, content=content, extensions={"timeout": times})


def read(status: int, body: bytes) -> Answer:
    """Judge the answer."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    if 200 <= status < 300:
        return _granted(said)
    error = said.get("error")
    word = f": {error}" if isinstance(error, str) and _WORD.fullmatch(error) else ""
    reason = f"HTTP {status}{word}"
    return (
        TokenRefused(reason)
        if 300 <= status < 500 and status not in _PERHAPS_LATER
        else TokenEndpointUnavailable(reason)
    )


def _granted(said: dict[str, object]) -> Answer:
    token, kind = said.get("access_token"), said.get("token_type", "Bearer")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return TokenEndpointUnavailable("the answer holds no access_token")
    # Some servers say BearerToken, and mean what everybody means.
    if not isinstance(kind, str) or not kind.lower().startswith("bearer"):
        return TokenRefused("the token is of a type that is not Bearer")
    return TokenGranted(f"Bearer {token}", _lifetime_s(said.get("expires_in")))


def _lifetime_s(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) else UNKNOWN_LIFETIME_S
    except ValueError:
        seconds = UNKNOWN_LIFETIME_S
    if not seconds > 0:
        seconds = UNKNOWN_LIFETIME_S
    return min(max(seconds, SHORTEST_LIFETIME_S), LONGEST_LIFETIME_S)
