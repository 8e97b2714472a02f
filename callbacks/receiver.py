"""Takes delivery reports over HTTP and answers 200 only when they are durably stored: ``python -m callbacks.receiver``.

A raw ASGI application, because one small JSON body per request leaves no room for a framework. What is answered, and in
which form: see docs/domain.md section 3. Posters repeat a 5xx and never a 4xx, so 4xx is kept for what can never be
read.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from hmac import compare_digest
from signal import SIGINT, SIGTERM
from typing import Any, Final

import msgspec
import structlog
import uvicorn
import uvloop
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callbacks.request_body import LONGEST_BODY, BodyIncomplete, BodyTooLong, Message, Receive, read_body
from callbacks.stream_writer import NotStored, ReportStreamWriter
from callbacks.streams import watch
from times_dispatch.ledger.connection import connect
from times_dispatch.provider.reports.reports import RejectedRow, ReportsUnreadable, parse
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.startup import load_settings_or_exit

log = structlog.get_logger(__name__)

Send = Callable[[Message], Awaitable[None]]

PING_TIMEOUT_S: Final = 1.0
STOP_WITHIN_S: Final = 4
KEEP_ALIVE_S: Final = 75
"""Longer than common proxies keep a connection, so that they close it first and never write into a closed one."""

MOST_CONNECTIONS: Final = 4096

NEEDED: Final = ["event", "ts", "meta"]
"""The fields named as missing when a body cannot be read at all."""


class Receiver:
    """The ASGI application: ``POST /callbacks/<secret>``, ``GET /health`` and ``GET /ready`` (with Redis)."""

    def __init__(
        self, redis: Redis, intake: ReportStreamWriter, secret: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._intake = intake
        self._path = f"/callbacks/{secret}".encode()
        self._now = now

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            msg = f"the receiver does not speak {scope['type']}"
            raise RuntimeError(msg)
        path, method = scope["path"].encode("utf-8", "surrogateescape"), scope["method"]
        if compare_digest(path, self._path):
            if method == "POST":
                await self._take(scope, receive, send)
            else:
                await self._refuse(send, 405, "Method not allowed.", headers=[(b"allow", b"POST")])
        elif path in {b"/health", b"/ready"}:
            if method in {"GET", "HEAD"}:
                await self._probe(send, with_redis=path == b"/ready")
            else:
                await self._refuse(send, 405, "Method not allowed.", headers=[(b"allow", b"GET, HEAD")])
        else:
            await self._refuse(send, 404, "Not found.")

    async def _take(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope["headers"], receive)
            parsed = parse(body)
        except BodyTooLong:
            log.warning("a callback is too long", longest=LONGEST_BODY)
            await self._refuse(send, 413, f"The body is longer than {LONGEST_BODY} bytes.", close=True)
        except BodyIncomplete:
            await self._refuse(send, 503, "The body did not arrive in time.", close=True)
        except ReportsUnreadable:
            await self._refuse_as_incomplete(send, NEEDED)
        else:
            if not parsed.events and not parsed.rejected:
                await self._thank(send, 0)
            elif not parsed.events and all(map(is_incomplete, parsed.rejected)):
                missing = {field for row in parsed.rejected for field in row.missing_fields}
                await self._refuse_as_incomplete(send, sorted(missing) or NEEDED)
            else:
                await self._store(body, len(parsed.events), send)

    async def _store(self, body: bytes, events: int, send: Send) -> None:
        try:
            await self._intake.put(body)
        except NotStored:
            await self._refuse(send, 503, "The reports could not be stored. Please post them again.")
        else:
            await self._thank(send, events)

    async def _thank(self, send: Send, events: int) -> None:
        taken = {"processed_events": events, "timestamp": int(self._now())}
        await answer(send, 200, {"status": "success", "message": "Callback processed successfully", "data": taken})

    async def _refuse_as_incomplete(self, send: Send, missing: list[str]) -> None:
        log.warning("a callback cannot be read", missing=missing)
        message = "Bad request. Some mandatory parameter was missing."
        await self._refuse(send, 400, message, details={"missing_fields": missing})

    async def _refuse(
        self,
        send: Send,
        status: int,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
        close: bool = False,
    ) -> None:
        content = {
            "status": "error",
            "message": message,
            "error_code": status,
            "details": {**(details or {}), "timestamp": int(self._now())},
        }
        await answer(send, status, content, headers=[*headers, (b"connection", b"close")] if close else headers)

    async def _probe(self, send: Send, *, with_redis: bool) -> None:
        try:
            if with_redis:
                async with asyncio.timeout(PING_TIMEOUT_S):
                    await self._redis.ping()
        except (RedisError, OSError, TimeoutError):
            await answer(send, 503, {"status": "redis does not answer"})
        else:
            await answer(send, 200, {"status": "ok"})


class _Shape(msgspec.Struct):
    event: str
    data: list[dict[str, Any]] | dict[str, Any]


def is_incomplete(row: RejectedRow) -> bool:
    """Say whether a row lacks something that it must have, or has not even the shape of a report.

    Any other (an event that nobody knows yet, a time out of bounds) is stored, to be set aside where people can see it.
    """
    if row.missing_fields:
        return True
    try:
        msgspec.json.decode(row.raw, type=list[_Shape])
    except (msgspec.DecodeError, RecursionError):
        return True
    return False


async def answer(send: Send, status: int, content: Any, *, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole JSON answer."""
    body = msgspec.json.encode(content)
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    """Uvicorn, ending well on a signal: its own way ends with the signal raised once more, and so with a failure."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop serving on SIGTERM and SIGINT."""
        for signal in (SIGTERM, SIGINT):
            asyncio.get_running_loop().add_signal_handler(signal, setattr, self, "should_exit", True)
        yield


async def serve(settings: Settings) -> None:
    """Receive until a signal; what is under way then is finished."""
    host, _, port = settings.callbacks.listen.rpartition(":")
    redis = connect(settings.redis_url)
    receiver = Receiver(redis, ReportStreamWriter(redis), settings.callback_secret)
    config = uvicorn.Config(
        receiver,
        host=host.strip("[]"),
        port=int(port),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # the path holds the secret
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    watching = asyncio.create_task(watch(redis))
    await Server(config).serve()
    watching.cancel()
    await asyncio.wait([watching], timeout=PING_TIMEOUT_S)  # a cancellation may be lost inside of a call to Redis
    await redis.aclose()
    log.info("receiver stopped")


def main() -> None:
    """Start from the process's environment."""
    uvloop.run(serve(load_settings_or_exit(Need.LEDGER, Need.CALLBACKS)))


if __name__ == "__main__":
    main()
