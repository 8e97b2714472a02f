"""The token endpoint of the generic provider: OAuth 2.0 client credentials (RFC 6749 section 4.4)."""

import secrets
from base64 import b64encode
from urllib.parse import parse_qsl, quote_plus

import msgspec
import orjson
from aiohttp import web

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.sandbox.config import GenericConfig
from times_dispatch.sandbox.faults import Faults


class TokenBooks(msgspec.Struct):
    """Counts of token requests, as ``/sandbox/books`` shows them."""

    asked: int = 0
    issued: int = 0
    refused: int = 0
    max_at_once: int = 0
    """The maximum number of token requests that were open at the same time."""
    locked_out: int = 0
    """The number of pushes without a valid token."""
    issued_at: list[float] = msgspec.field(default_factory=list)
    """When tokens were issued, in epoch seconds."""


class TokenIssuer:
    """Issues and checks tokens; ``faults`` can refuse or delay token requests."""

    def __init__(self, config: GenericConfig, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._config = config
        self._clock = clock
        self._valid_until: dict[str, float] = {}
        self._under_way = 0
        login = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret)}"
        self._basic = "Basic " + b64encode(login.encode()).decode()
        self.faults = Faults()
        self.books = TokenBooks()

    def is_valid(self, authorization: str) -> bool:
        """Return whether an Authorization header has a valid token, and count headers without one."""
        kind, _, token = authorization.partition(" ")
        valid = kind == "Bearer" and self._clock.monotonic() < self._valid_until.get(token, 0.0)
        self.books.locked_out += not valid
        return valid

    def revoke(self) -> None:
        """Invalidate every token that was issued."""
        self._valid_until.clear()

    def reset(self) -> None:
        """Reset the counts; tokens stay valid."""
        self.books = TokenBooks()

    async def issue(self, request: web.BaseRequest) -> web.Response:
        """Return the response to a token request."""
        self._under_way += 1
        self.books.asked += 1
        self.books.max_at_once = max(self.books.max_at_once, self._under_way)
        try:
            form = dict(parse_qsl((await request.read()).decode("ascii", "replace")))
            await self._clock.sleep(self.faults.token_delay_s)
        finally:
            self._under_way -= 1
        if form.get("grant_type") != "client_credentials":
            return _refusal(400, "unsupported_grant_type")
        if self.faults.token_refused or not self._knows(request, form):
            self.books.refused += 1
            return _refusal(401, "invalid_client")
        token = secrets.token_urlsafe(24)
        self._valid_until[token] = self._clock.monotonic() + self._config.token_lifetime_s
        self.books.issued += 1
        self.books.issued_at.append(self._clock.time())
        response = {"access_token": token, "token_type": "bearer", "expires_in": self._config.token_lifetime_s}
        return web.Response(body=orjson.dumps(response), content_type="application/json")

    def _knows(self, request: web.BaseRequest, form: dict[str, str]) -> bool:
        if request.headers.get("Authorization") == self._basic:
            return True
        return (form.get("client_id"), form.get("client_secret")) == (
            self._config.client_id,
            self._config.client_secret,
        )


def _refusal(status: int, error: str) -> web.Response:
    return web.Response(body=orjson.dumps({"error": error}), status=status, content_type="application/json")
