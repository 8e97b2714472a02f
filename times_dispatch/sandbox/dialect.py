"""How a provider is spoken to: Times Mobile's way, and whatever else the sandbox can pretend to be."""

from typing import Protocol

from aiohttp import web

from times_dispatch.sandbox import answer
from times_dispatch.sandbox.seeded_random import Draws
from times_dispatch.sandbox.submission import UNREADABLE, Submission, from_json, from_query

STRINGS, BARE = 3, 4
"""Draws of an arrival that answers are made from."""


class Dialect(Protocol):
    """Reads requests and writes answers. What is accepted is for the account to say."""

    def locked_out(self, request: web.BaseRequest) -> web.Response | None:
        """Answer a request that may not come in at all; None lets it in."""

    async def read(self, request: web.BaseRequest) -> Submission:
        """Read what is handed in; UNREADABLE if it has not the shape."""

    def authorization(self, request: web.BaseRequest) -> str | None:
        """Return the header that the account is to check; None if there is none to check."""

    def answer(self, code: int, *, transaction: int, parts: int, draws: Draws) -> web.Response:
        """Write the answer to a ruling; transaction and parts are told only when accepted."""


class TimesMobile:
    """docs/domain.md section 1."""

    def __init__(self, *, string_answers: float, bare_refusals: float) -> None:
        self._string_answers = string_answers
        self._bare_refusals = bare_refusals

    def locked_out(self, request: web.BaseRequest) -> web.Response | None:  # noqa: ARG002
        """Let everybody in: credentials are judged with the rest."""
        return None

    async def read(self, request: web.BaseRequest) -> Submission:
        """Read a query string or a flat JSON object."""
        if request.method == "GET":
            return from_query(request.raw_path.partition("?")[2])
        body = await request.read()
        return from_json(body) if request.content_type == "application/json" else UNREADABLE

    def authorization(self, request: web.BaseRequest) -> str | None:
        """Return the header of a POST; a GET carries none."""
        return None if request.method == "GET" else request.headers.get("Authorization", "")

    def answer(self, code: int, *, transaction: int, parts: int, draws: Draws) -> web.Response:
        """Write the usual JSON, or sometimes a bare word."""
        if code in answer.BARE and draws[BARE] < self._bare_refusals:
            return answer.refused_bare(code)
        as_strings = draws[STRINGS] < self._string_answers
        return answer.ruled(code, answer.body(code, transaction=transaction, parts=parts, as_strings=as_strings))
