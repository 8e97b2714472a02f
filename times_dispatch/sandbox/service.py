"""Start the sandbox in order, stop it in reverse."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from times_dispatch.sandbox.account import Account
from times_dispatch.sandbox.answer import page
from times_dispatch.sandbox.books import Books
from times_dispatch.sandbox.config import SandboxConfig
from times_dispatch.sandbox.connection import SandboxConnection, SandboxServer
from times_dispatch.sandbox.control import PREFIX, ControlRoutes
from times_dispatch.sandbox.dialect import Dialect, TimesMobile
from times_dispatch.sandbox.gateway import GET_PATH, POST_PATH, Gateway
from times_dispatch.sandbox.generic import MESSAGES_PATH, TOKEN_PATH, Generic
from times_dispatch.sandbox.journal import Journal
from times_dispatch.sandbox.listener import Listener, bind
from times_dispatch.sandbox.poster import Poster, open_session
from times_dispatch.sandbox.seeded_random import SeededRandom
from times_dispatch.sandbox.tokens import TokenIssuer

log = logging.getLogger(__name__)
_http_log = logging.getLogger(f"{__name__}.http")

_GRACE_S = 0.2


async def serve(config: SandboxConfig, *, ready: Callable[[str], None] | None = None) -> None:
    """Run a sandbox until cancelled; ``ready`` is called with its URL once it listens.

    Raises:
        OSError: the address cannot be listened on, or the journal cannot be written.
    """
    journal = Journal(Path(config.journal)) if config.journal else None
    with closing(journal) if journal else nullcontext():
        bound = bind(config.host, config.port)
        chance = SeededRandom(config.seed)
        books = Books(journal)
        account = Account(config, chance)
        async with open_session(config.reports) as session, asyncio.TaskGroup() as tasks:
            poster = Poster(config.reports, chance, session, books.enter)
            tokens = TokenIssuer(config.generic)
            gateway = Gateway(config, chance, books=books, account=account, tokens=tokens, poster=poster)
            doors = _doors(config, tokens)
            server = SandboxServer(
                lambda request: _handle(request, doors, tokens, gateway, control),
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
                server=server,
                listener=listener,
            )
            posting = tasks.create_task(poster.run())
            for message in books.unreported():
                poster.resume(message.id)
            async with listener:
                log.info("sandbox listens, seed %d, %d registered senders", config.seed, len(config.senders))
                if ready:
                    ready(listener.url)
                try:
                    await asyncio.shield(posting)
                finally:
                    server.retire_all()
                    await server.shutdown(_GRACE_S)


Doors = dict[str, tuple[str, Dialect]]
"""Path of an endpoint: its method, and how it is spoken to."""


def _doors(config: SandboxConfig, tokens: TokenIssuer) -> Doors:
    times_mobile = TimesMobile(string_answers=config.string_answers, bare_refusals=config.bare_refusals)
    doors: Doors = {GET_PATH: ("GET", times_mobile), POST_PATH: ("POST", times_mobile)}
    if config.generic.client_id:
        doors[MESSAGES_PATH] = ("POST", Generic(config, tokens))
    return doors


async def _handle(
    request: web.BaseRequest, doors: Doors, tokens: TokenIssuer, gateway: Gateway, control: ControlRoutes
) -> web.StreamResponse:
    connection = cast(SandboxConnection, request.protocol)
    try:
        path = request.raw_path.partition("?")[0]
        if path.startswith(PREFIX):
            response: web.StreamResponse | None = await control.handle(request)
        elif path == TOKEN_PATH and MESSAGES_PATH in doors:
            response = await tokens.issue(request)
        elif path not in doors:
            gateway.misaddressed += 1
            response = page(404)
        elif request.method != doors[path][0]:
            gateway.misaddressed += 1
            response = page(405)
        else:
            response = await gateway.push(request, connection, doors[path][1])
        if response is None:
            return web.Response()  # goes nowhere: the connection is cut
        # Written here and not by the framework, to know when a connection may be closed without losing an answer.
        with suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
        return response
    finally:
        connection.settle()


def _quiet_logger() -> logging.Logger:
    """Drop the framework's accounts of malformed requests: they quote the request line, which may hold a password."""
    if not _http_log.filters:
        _http_log.addFilter(_is_not_about_a_request)
    return _http_log


def _is_not_about_a_request(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
