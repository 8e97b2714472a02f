"""The API of an invented second provider, with a form, a bearer token, an extra header and nested JSON responses.

No code of ``times_dispatch.provider`` depends on this API; settings alone describe the API.
"""

from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from times_dispatch.sandbox.account import ACCEPTED, AUTHENTICATION_FAILED
from times_dispatch.sandbox.config import SandboxConfig
from times_dispatch.sandbox.http.responses import DESCRIPTIONS
from times_dispatch.sandbox.http.submission import UNREADABLE, Submission
from times_dispatch.sandbox.http.tokens import TokenIssuer
from times_dispatch.sandbox.seeded_random import Draws

MESSAGES_PATH = "/generic/v2/messages"
TOKEN_PATH = "/generic/oauth/token"  # noqa: S105  # a path, not a token
CHANNEL = ("X-Channel", "bulk")
"""The header that every push must have."""

CODES = {
    ACCEPTED: "QUEUED",
    400: "E_REQUEST",
    2051: "E_SENDER",
    2054: "E_NUMBER",
    AUTHENTICATION_FAILED: "E_AUTH",
    5001: "E_TEMPLATE",
    6001: "E_BALANCE",
    7001: "E_TEMPLATE",
}


class GenericApi:
    """Implements ``ProviderApi`` for clients with a token of the issuer."""

    def __init__(self, config: SandboxConfig, tokens: TokenIssuer) -> None:
        self._tokens = tokens
        self._account = (config.username, config.password)

    def deny_access(self, request: web.BaseRequest) -> web.Response | None:
        """Return a 401 to a request without a valid token."""
        if self._tokens.is_valid(request.headers.get("Authorization", "")):
            return None
        return web.Response(
            body=b'{"error":"invalid_token"}',
            status=401,
            content_type="application/json",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )

    async def read(self, request: web.BaseRequest) -> Submission:
        """Read a form: ``mobile``, ``message``, ``sender``, ``template``, ``unicode``, ``ref`` and ``route``."""
        body = await request.read()
        name, value = CHANNEL
        if request.content_type != "application/x-www-form-urlencoded" or request.headers.get(name) != value:
            return UNREADABLE
        try:
            form = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"))
        except ValueError:
            return UNREADABLE
        if not form.get("route"):
            return UNREADABLE
        username, password = self._account
        return Submission(
            username=username,
            password=password,
            unicode=form.get("unicode", ""),
            sender=form.get("sender", ""),
            to=form.get("mobile", ""),
            text=form.get("message", ""),
            content_id=form.get("template", ""),
            correlation_id=form.get("ref", ""),
        )

    def authorization(self, request: web.BaseRequest) -> str | None:  # noqa: ARG002
        """Return None: ``deny_access`` has checked the token."""
        return None

    def respond(self, code: int, *, transaction: int, parts: int, draws: Draws) -> web.Response:  # noqa: ARG002
        """Return HTTP 202 or 422, with a word for the code in a nested object."""
        result: dict[str, object] = {"status": {"code": CODES[code], "text": DESCRIPTIONS[code]}}
        if code == ACCEPTED:
            result["message"] = {"id": str(transaction), "segments": parts}
        return web.Response(
            body=orjson.dumps({"result": result}),
            status=202 if code == ACCEPTED else 422,
            content_type="application/json",
        )
