"""Starts the parts of the sandbox in order, and stops them in reverse."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from times_dispatch.sandbox.account import Account
from times_dispatch.sandbox.bookkeeping.books import Books
from times_dispatch.sandbox.bookkeeping.journal import Journal
from times_dispatch.sandbox.clicker import Clicker
from times_dispatch.sandbox.config import SandboxConfig
from times_dispatch.sandbox.control import PREFIX, ControlRoutes
from times_dispatch.sandbox.delivery_reports.poster import Poster, open_session
from times_dispatch.sandbox.gateway import GET_PATH, POST_PATH, Gateway
from times_dispatch.sandbox.http.api import ProviderApi, TimesMobileApi
from times_dispatch.sandbox.http.connection import SandboxConnection, SandboxServer
from times_dispatch.sandbox.http.generic_api import MESSAGES_PATH, TOKEN_PATH, GenericApi
from times_dispatch.sandbox.http.listener import Listener, bind
from times_dispatch.sandbox.http.responses import error_page
from times_dispatch.sandbox.http.tokens import TokenIssuer
from times_dispatch.sandbox.seeded_random import SeededRandom

log = logging.getLogger(__name__)
_http_log = logging.getLogger(f"{__name__}.http")

_GRACE_S = 0.2


async def serve(config: SandboxConfig, *, ready: Callable[[str], None] | None = None) -> None:
    """Run a sandbox until cancelled; ``ready`` is called with the sandbox's URL as soon as the sandbox listens.

    Raises:
        OSError: the address cannot be used, or the journal cannot be written.
    """
    journal = Journal(Path(config.journal)) if config.journal else None
    with closing(journal) if journal else nullcontext():
        bound = bind(config.host, config.port)
        seeded_random = SeededRandom(config.seed)
        books = Books(journal)
        account = Account(config, seeded_random)
        async with open_session(config.reports) as session, asyncio.TaskGroup() as tasks:
            poster = Poster(config.reports, seeded_random, session, books.enter)
            poster.is_held = config.faults.reports_held
            clicker = Clicker(config.clicks, seeded_random, session, books.enter)
            tokens = TokenIssuer(config.generic)
            gateway = Gateway(
                config, seeded_random, books=books, account=account, tokens=tokens, poster=poster, clicker=clicker
            )
            routes = _routes(config, tokens)
            server = SandboxServer(
                lambda request: _handle(request, routes, tokens, gateway, control),
                access_log=None,
                logger=_quiet_logger(),
            )
            listener = Listener(server, bound)
            control = ControlRoutes(
                books=books,
                gateway=gateway,
                account=account,
                tokens=tokens,
                poster=poster,
                clicker=clicker,
                server=server,
                listener=listener,
            )
            posting = tasks.create_task(poster.run())
            tasks.create_task(clicker.run())
            for message in books.unreported():
                poster.resume(message.id, is_first=books.is_first(message.id))
            async with listener:
                log.info("sandbox listens, seed %d, %d registered senders", config.seed, len(config.senders))
                if ready:
                    ready(listener.url)
                try:
                    await asyncio.shield(posting)
                finally:
                    server.close_all_when_idle()
                    await server.shutdown(_GRACE_S)


Routes = dict[str, tuple[str, ProviderApi]]
"""The method and the API of each path."""


def _routes(config: SandboxConfig, tokens: TokenIssuer) -> Routes:
    times_mobile = TimesMobileApi(string_answers=config.string_answers, bare_refusals=config.bare_refusals)
    routes: Routes = {GET_PATH: ("GET", times_mobile), POST_PATH: ("POST", times_mobile)}
    if config.generic.client_id:
        routes[MESSAGES_PATH] = ("POST", GenericApi(config, tokens))
    return routes


async def _handle(
    request: web.BaseRequest, routes: Routes, tokens: TokenIssuer, gateway: Gateway, control: ControlRoutes
) -> web.StreamResponse:
    """Answer one request, and write the response.

    Args:
        request: the request, whose protocol is a SandboxConnection.
        routes: the endpoints for pushes.
        tokens: answers token requests, if a second provider is configured.
        gateway: answers pushes, and counts requests to unknown paths.
        control: answers requests below ``/sandbox/``.
    """
    connection = cast(SandboxConnection, request.protocol)
    try:
        path = request.raw_path.partition("?")[0]
        if path.startswith(PREFIX):
            response: web.StreamResponse | None = await control.handle(request)
        elif path == TOKEN_PATH and MESSAGES_PATH in routes:
            response = await tokens.issue(request)
        elif path not in routes:
            gateway.misaddressed += 1
            response = error_page(404)
        elif request.method != routes[path][0]:
            gateway.misaddressed += 1
            response = error_page(405)
        else:
            response = await gateway.push(request, connection, routes[path][1])
        if response is None:
            return web.Response()  # this response is not sent, because the connection is cut
        # The framework does not report that it has written the response, and the connection must not be closed earlier.
        with suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
        return response
    finally:
        connection.response_written()


def _quiet_logger() -> logging.Logger:
    """Return a logger without the framework's messages about malformed requests, which may quote a password."""
    if not _http_log.filters:
        _http_log.addFilter(_is_no_request_error)
    return _http_log


def _is_no_request_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
