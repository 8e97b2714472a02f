"""The token endpoint of the generic provider: OAuth 2.0 client credentials (RFC 6749 section 4.4), and who asked."""

import asyncio
import secrets
import time
from base64 import b64encode
from urllib.parse import parse_qsl, quote_plus

import msgspec
import orjson
from aiohttp import web

from times_dispatch.sandbox.config import GenericConfig
from times_dispatch.sandbox.faults import Faults


class TokenBooks(msgspec.Struct):
    """What happened; ``/sandbox/books`` shows it."""

    asked: int = 0
    issued: int = 0
    refused: int = 0
    most_at_once: int = 0
    """Requests for a token that were under way together."""
    locked_out: int = 0
    """Pushes without a token that was good."""
    issued_at: list[float] = msgspec.field(default_factory=list)
    """Epoch seconds."""


class TokenIssuer:
    """Issues tokens and knows which are good. ``faults`` can refuse, delay or end them."""

    def __init__(self, config: GenericConfig) -> None:
        self._config = config
        self._good_until: dict[str, float] = {}
        self._under_way = 0
        login = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret)}"
        self._basic = "Basic " + b64encode(login.encode()).decode()
        self.faults = Faults()
        self.books = TokenBooks()

    def admits(self, authorization: str) -> bool:
        """Say whether a header holds a token that is good now; count those that do not."""
        kind, _, token = authorization.partition(" ")
        good = kind == "Bearer" and time.monotonic() < self._good_until.get(token, 0.0)
        self.books.locked_out += not good
        return good

    def revoke(self) -> None:
        """End all tokens now."""
        self._good_until.clear()

    def reset(self) -> None:
        """Count from 0; tokens stay good."""
        self.books = TokenBooks()

    async def issue(self, request: web.BaseRequest) -> web.Response:
        """Answer a request for a token."""
        self._under_way += 1
        self.books.asked += 1
        self.books.most_at_once = max(self.books.most_at_once, self._under_way)
        try:
            form = dict(parse_qsl((await request.read()).decode("ascii", "replace")))
            await asyncio.sleep(self.faults.token_delay_s)
        finally:
            self._under_way -= 1
        if form.get("grant_type") != "client_credentials":
            return _refusal(400, "unsupported_grant_type")
        if self.faults.token_refused or not self._knows(request, form):
            self.books.refused += 1
            return _refusal(401, "invalid_client")
        token = secrets.token_urlsafe(24)
        self._good_until[token] = time.monotonic() + self._config.token_lifetime_s
        self.books.issued += 1
        self.books.issued_at.append(time.time())
        said = {"access_token": token, "token_type": "bearer", "expires_in": self._config.token_lifetime_s}
        return web.Response(body=orjson.dumps(said), content_type="application/json")

    def _knows(self, request: web.BaseRequest, form: dict[str, str]) -> bool:
        if request.headers.get("Authorization") == self._basic:
            return True
        return (form.get("client_id"), form.get("client_secret")) == (
            self._config.client_id,
            self._config.client_secret,
        )


def _refusal(status: int, error: str) -> web.Response:
    return web.Response(body=orjson.dumps({"error": error}), status=status, content_type="application/json")
