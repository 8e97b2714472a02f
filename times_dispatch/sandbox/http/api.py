"""The contract of the HTTP APIs that the sandbox can simulate, and Times Mobile's API."""

from typing import Protocol

from aiohttp import web

from times_dispatch.sandbox.http import responses
from times_dispatch.sandbox.http.submission import UNREADABLE, Submission, from_json, from_query
from times_dispatch.sandbox.seeded_random import Draws

STRINGS, BARE = 3, 4
"""The indexes of the random numbers that determine the form of responses."""


class ProviderApi(Protocol):
    """Reads requests and writes responses in the format of one provider. The account decides about acceptance."""

    def deny_access(self, request: web.BaseRequest) -> web.Response | None:
        """Return the response to a request without valid access, or None if the request has access."""

    async def read(self, request: web.BaseRequest) -> Submission:
        """Return the submission in a request, or UNREADABLE if the request has another format."""

    def authorization(self, request: web.BaseRequest) -> str | None:
        """Return the header that the account must check, or None if there is no header to check."""

    def respond(self, code: int, *, transaction: int, parts: int, draws: Draws) -> web.Response:
        """Return the response to a submission; only the response to an acceptance has transaction and parts."""


class TimesMobileApi:
    """The API of docs/domain.md section 1."""

    def __init__(self, *, string_answers: float, bare_refusals: float) -> None:
        self._string_answers = string_answers
        self._bare_refusals = bare_refusals

    def deny_access(self, request: web.BaseRequest) -> web.Response | None:  # noqa: ARG002
        """Return None: the account checks the credentials together with the rest."""
        return None

    async def read(self, request: web.BaseRequest) -> Submission:
        """Read a query string or a flat JSON object."""
        if request.method == "GET":
            return from_query(request.raw_path.partition("?")[2])
        body = await request.read()
        return from_json(body) if request.content_type == "application/json" else UNREADABLE

    def authorization(self, request: web.BaseRequest) -> str | None:
        """Return the header of a POST; a GET has none."""
        return None if request.method == "GET" else request.headers.get("Authorization", "")

    def respond(self, code: int, *, transaction: int, parts: int, draws: Draws) -> web.Response:
        """Return JSON, or sometimes a bare word for a refusal."""
        if code in responses.BARE_WORDS and draws[BARE] < self._bare_refusals:
            return responses.bare_word(code)
        as_strings = draws[STRINGS] < self._string_answers
        content = responses.json_body(code, transaction=transaction, parts=parts, as_strings=as_strings)
        return responses.json_response(code, content)
