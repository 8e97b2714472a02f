"""The endpoints under ``/sandbox/``: for tests and people, unknown to the real gateway."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import msgspec
import orjson
from aiohttp import web

from times_dispatch.sandbox.account import Account
from times_dispatch.sandbox.books import Books
from times_dispatch.sandbox.clock import seconds
from times_dispatch.sandbox.connection import SandboxServer
from times_dispatch.sandbox.faults import Faults, Seconds
from times_dispatch.sandbox.gateway import Gateway
from times_dispatch.sandbox.listener import Listener
from times_dispatch.sandbox.poster import Poster
from times_dispatch.sandbox.tokens import TokenIssuer

PREFIX = "/sandbox/"
_PAGE_ROWS = 10_000
_lines = msgspec.json.Encoder().encode_lines

Query = dict[str, str]


class Actions(msgspec.Struct, frozen=True, kw_only=True):
    """What a POST to ``/sandbox/faults`` may ask for besides ``Faults``."""

    balance: int | msgspec.UnsetType | None = msgspec.UNSET
    """Parts that can be paid for from now on; null never runs out."""
    top_up: int = 0
    refuse_connections_s: Seconds = 0.0
    revoke_tokens: bool = False


class ControlRoutes:
    """Shows the books and changes the weather."""

    def __init__(
        self,
        *,
        books: Books,
        gateway: Gateway,
        account: Account,
        tokens: TokenIssuer,
        poster: Poster,
        server: SandboxServer,
        listener: Listener,
    ) -> None:
        self._books = books
        self._gateway = gateway
        self._account = account
        self._tokens = tokens
        self._poster = poster
        self._server = server
        self._listener = listener
        self._routes: dict[tuple[str, str], Callable[[web.BaseRequest, Query], Awaitable[web.Response]]] = {
            ("GET", "health"): self._health,
            ("GET", "books"): self._show_books,
            ("GET", "accepted"): self._show_accepted,
            ("GET", "arrivals"): self._show_arrivals,
            ("GET", "faults"): self._show_faults,
            ("POST", "faults"): self._change_faults,
            ("POST", "reset"): self._reset,
            ("POST", "flush"): self._flush,
        }

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer a request whose path begins with ``PREFIX``."""
        path, _, query = request.raw_path.partition("?")
        route = self._routes.get((request.method, path.removeprefix(PREFIX)))
        if route is None:
            return _json({"error": "no such endpoint"}, status=404)
        try:
            return await route(request, dict(parse_qsl(query)))
        except ValueError as error:  # also msgspec's: what the caller sent cannot be meant
            return _json({"error": str(error)}, status=400)

    async def _health(self, _request: web.BaseRequest, _query: Query) -> web.Response:
        return _json({"status": "ok"})

    async def _show_books(self, _request: web.BaseRequest, _query: Query) -> web.Response:
        books = self._books
        return _json(
            {
                "all": books.all.as_dict(),
                "senders": {sender: tally.as_dict() for sender, tally in books.senders.items()},
                "reports": {
                    "pending": self._poster.pending,
                    "strays": dict(books.strays),
                    "posts": msgspec.to_builtins(self._poster.posts),
                },
                "connections": {"opened": self._server.opened, "open": len(self._server.connections)},
                "misaddressed": self._gateway.misaddressed,
                "tokens": msgspec.to_builtins(self._tokens.books),
            }
        )

    async def _show_accepted(self, _request: web.BaseRequest, query: Query) -> web.Response:
        """Answer JSON lines; the ``n`` of the last is the next ``after``; no line means that there are no more yet."""
        after = max(0, int(query.get("after", "0")))
        rows = self._books.in_order[after : after + int(query.get("limit", _PAGE_ROWS))]
        return web.Response(body=_lines(rows), content_type="application/x-ndjson")

    async def _show_arrivals(self, _request: web.BaseRequest, query: Query) -> web.Response:
        """Answer arrival times in s since the epoch, of one ``sender`` or of all, all or those ``after`` a time."""
        sender = query.get("sender")
        tally = self._books.senders.get(sender) if sender else self._books.all
        stamps = tally.arrivals.since(int(float(query.get("after", "0")) * 1e9)) if tally else []
        return _json({"count": len(stamps), "arrivals": [seconds(stamp) for stamp in stamps]})

    async def _show_faults(self, _request: web.BaseRequest, _query: Query) -> web.Response:
        return _json({**msgspec.to_builtins(self._gateway.faults), "balance": self._account.balance})

    async def _change_faults(self, request: web.BaseRequest, query: Query) -> web.Response:
        """Change only what is named; ``?only=1`` puts the rest back to nothing."""
        wanted = orjson.loads(await request.read())
        if not isinstance(wanted, dict):
            raise ValueError("expected a JSON object")
        actions = msgspec.convert(wanted, Actions)
        changes = {name: value for name, value in wanted.items() if name not in Actions.__struct_fields__}
        current = {} if query.get("only") else msgspec.to_builtins(self._gateway.faults)
        self._gateway.change(msgspec.convert({**current, **changes}, Faults))
        if not isinstance(actions.balance, msgspec.UnsetType):
            self._account.balance = actions.balance
        if self._account.balance is not None:
            self._account.balance += actions.top_up
        if actions.revoke_tokens:
            self._tokens.revoke()
        if actions.refuse_connections_s:
            self._listener.refuse(actions.refuse_connections_s)
        return await self._show_faults(request, query)

    async def _reset(self, _request: web.BaseRequest, _query: Query) -> web.Response:
        """Empty the books and forget the reports that are not on their way yet; faults and balance stay."""
        self._poster.clear()
        self._books.reset()
        self._tokens.reset()
        return _json({"status": "ok"})

    async def _flush(self, request: web.BaseRequest, query: Query) -> web.Response:
        """Answer when every report has been acknowledged or given up."""
        await self._poster.flush()
        return await self._show_books(request, query)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
