"""The endpoints under ``/sandbox/``, with which tests and people read the books and change the faults."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import msgspec
import orjson
from aiohttp import web

from times_dispatch.sandbox.account import Account
from times_dispatch.sandbox.bookkeeping.books import Books
from times_dispatch.sandbox.bookkeeping.timestamps import seconds
from times_dispatch.sandbox.clicker import Clicker
from times_dispatch.sandbox.delivery_reports.poster import Poster
from times_dispatch.sandbox.faults import Faults, Seconds
from times_dispatch.sandbox.gateway import Gateway
from times_dispatch.sandbox.http.connection import SandboxServer
from times_dispatch.sandbox.http.listener import Listener
from times_dispatch.sandbox.http.tokens import TokenIssuer

PREFIX = "/sandbox/"
_PAGE_ROWS = 10_000
_lines = msgspec.json.Encoder().encode_lines

Query = dict[str, str]


class Actions(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a POST to ``/sandbox/faults`` besides the fields of ``Faults``."""

    balance: int | msgspec.UnsetType | None = msgspec.UNSET
    """The new balance in parts; null means no limit."""
    top_up: int = 0
    refuse_connections_s: Seconds = 0.0
    revoke_tokens: bool = False


class ControlRoutes:
    """The HTTP handlers under ``/sandbox/``, which change the sandbox and show its books."""

    def __init__(
        self,
        *,
        books: Books,
        gateway: Gateway,
        account: Account,
        tokens: TokenIssuer,
        poster: Poster,
        clicker: Clicker,
        server: SandboxServer,
        listener: Listener,
    ) -> None:
        """Create the routes.

        Args:
            books: the counts to show and to reset.
            gateway: has the current faults, and counts misaddressed requests.
            account: the account with the balance.
            tokens: can revoke all tokens.
            poster: shows and posts pending reports.
            clicker: shows pending clicks.
            server: counts connections.
            listener: can refuse connections for some time.
        """
        self._books = books
        self._gateway = gateway
        self._account = account
        self._tokens = tokens
        self._poster = poster
        self._clicker = clicker
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
        """Return the response to a request whose path begins with ``PREFIX``."""
        path, _, query = request.raw_path.partition("?")
        route = self._routes.get((request.method, path.removeprefix(PREFIX)))
        if route is None:
            return _json({"error": "no such endpoint"}, status=404)
        try:
            return await route(request, dict(parse_qsl(query)))
        except ValueError as error:  # msgspec.ValidationError is a ValueError: the request is wrong
            return _json({"error": str(error)}, status=400)

    async def _health(self, _request: web.BaseRequest, _query: Query) -> web.Response:
        return _json({"status": "ok"})

    async def _show_books(self, _request: web.BaseRequest, _query: Query) -> web.Response:
        books = self._books
        return _json(
            {
                "all": books.all.as_dict(),
                "senders": {sender: counters.as_dict() for sender, counters in books.senders.items()},
                "reports": {
                    "pending": self._poster.pending,
                    "pending_clicks": self._clicker.pending,
                    "unknown_reports": dict(books.unknown_reports),
                    "posts": msgspec.to_builtins(self._poster.posts),
                },
                "connections": {"opened": self._server.opened, "open": len(self._server.connections)},
                "misaddressed": self._gateway.misaddressed,
                "tokens": msgspec.to_builtins(self._tokens.books),
            }
        )

    async def _show_accepted(self, _request: web.BaseRequest, query: Query) -> web.Response:
        """Return the accepted messages ``after`` a number ``n`` as JSON lines; empty if there are no more yet."""
        after = max(0, int(query.get("after", "0")))
        rows = self._books.in_order[after : after + int(query.get("limit", _PAGE_ROWS))]
        return web.Response(body=_lines(rows), content_type="application/x-ndjson")

    async def _show_arrivals(self, _request: web.BaseRequest, query: Query) -> web.Response:
        """Return arrival times in s since the epoch, of one ``sender`` or of all, optionally ``after`` a time."""
        sender = query.get("sender")
        counters = self._books.senders.get(sender) if sender else self._books.all
        stamps = counters.arrivals.since(int(float(query.get("after", "0")) * 1e9)) if counters else []
        return _json({"count": len(stamps), "arrivals": [seconds(stamp) for stamp in stamps]})

    async def _show_faults(self, _request: web.BaseRequest, _query: Query) -> web.Response:
        return _json({**msgspec.to_builtins(self._gateway.faults), "balance": self._account.balance})

    async def _change_faults(self, request: web.BaseRequest, query: Query) -> web.Response:
        """Change the faults that the request names; ``?only=1`` switches all other faults off."""
        keys = orjson.loads(await request.read())
        if not isinstance(keys, dict):
            raise ValueError("expected a JSON object")
        actions = msgspec.convert(keys, Actions)
        changes = {name: value for name, value in keys.items() if name not in Actions.__struct_fields__}
        current = {} if query.get("only") else msgspec.to_builtins(self._gateway.faults)
        faults = msgspec.convert({**current, **changes}, Faults)
        self._gateway.set_faults(faults)
        self._poster.is_held = faults.reports_held
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
        """Empty the books and drop the reports that are not being posted; faults and balance stay."""
        self._poster.clear()
        self._clicker.clear()
        self._books.reset()
        self._tokens.reset()
        return _json({"status": "ok"})

    async def _flush(self, request: web.BaseRequest, query: Query) -> web.Response:
        """Post all pending reports, and answer when each report is acknowledged or abandoned."""
        await self._poster.flush()
        return await self._show_books(request, query)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
