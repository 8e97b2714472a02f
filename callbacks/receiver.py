"""Takes delivery reports over HTTP and answers 200 only when they are durably stored: ``python -m callbacks.receiver``.

The application is plain ASGI: for one small JSON body per request, a framework would cost more than it saves. Section 3
of docs/domain.md describes the responses. The provider repeats a request after a 5xx and never after a 4xx, so the
receiver answers 4xx only to a request that can never succeed.
"""

import asyncio
import gc
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog
import uvloop
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callbacks.backlog import watch_backlog
from callbacks.callback_secrets import CallbackSecrets
from callbacks.dead_letters import DeadLetter, DeadLetterLimits, DeadLetterReason, DeadLetters
from callbacks.http.form_fields import json_in_query, may_hold_report
from callbacks.http.posted_body import Headers
from callbacks.http.posted_reports import MANDATORY_FIELDS, PostedReportsReader, is_compressed
from callbacks.http.posted_request import request_of
from callbacks.http.server import STOP_WITHIN_S, make_server, server_limits
from callbacks.links.application import LinksApplication
from callbacks.links.assembly import make_links
from callbacks.relay.via import MAX_RELAYS, read_relay_id, relays_in
from callbacks.report_room import ReportRoom
from callbacks.request_body import MAX_BODY_BYTES, AsgiMessage, BodyIncomplete, BodyTooLong, Receive, Send, read_body
from callbacks.stream_writer import NotStored, ReportStreamWriter
from callbacks.streams import StreamLimits
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.content_encoding import BodyDamaged, UnknownEncoding
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.process import run_until_signalled
from times_dispatch.provider.reports.reports import ReportsUnreadable
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.startup import load_settings_or_exit

log = structlog.get_logger(__name__)

PING_TIMEOUT_S: Final = 1.0
KEEP_TIMEOUT_S: Final = 3.0
"""How long a refused body may take to be stored as a dead letter."""
_CONFIRMATION: Final = (
    b'{"status":"success","message":"Callback processed successfully","data":{"processed_events":%d,"timestamp":%d}}'
)
KEPT_AT_ONCE: Final = 8
"""How many refused bodies are written at the same time: a body takes several times its size while it is written."""


class Receiver:
    """The ASGI application: ``POST /callbacks/<secret>``, ``GET /health`` and ``GET /ready`` (with Redis)."""

    def __init__(
        self,
        redis: Redis,
        writer: ReportStreamWriter,
        secrets: CallbackSecrets,
        *,
        room: ReportRoom | None = None,
        dead_letters: DeadLetters | None = None,
        refusals: RefusalLog | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a receiver.

        Args:
            redis: the Redis whose availability ``GET /ready`` reports.
            writer: stores posted bodies.
            secrets: decides which paths are valid.
            room: says whether reports may be stored; by default a room with the default limits, which is never checked.
            dead_letters: keep the bodies that are refused; by default with the default limits.
            refusals: log the requests that are refused; by default a log of this receiver only.
            clock: the clock for the time in the responses.
        """
        self._redis = redis
        self._writer = writer
        self._room = room or ReportRoom(redis)
        self._secrets = secrets
        self._clock = clock
        self._dead_letters = dead_letters or DeadLetters(redis)
        self._keeping = asyncio.Semaphore(KEPT_AT_ONCE)
        self._reader = PostedReportsReader()
        self._refusals = refusals or RefusalLog()
        self.links: LinksApplication | None = None
        """Answers clicks on tracked links; None if the links process answers them."""

    async def __call__(self, scope: AsgiMessage, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            msg = f"the receiver does not speak {scope['type']}"
            raise RuntimeError(msg)
        path, method = scope["path"].encode("utf-8", "surrogateescape"), scope["method"]
        if self._secrets.match(path):
            if method in {"POST", "PUT"}:
                await self._accept(scope, receive, send)
            elif method == "GET" and (json_in_query(scope["query_string"]) or may_hold_report(scope["query_string"])):
                await self._accept_reports(b"", b"", scope, Headers(scope["headers"]), send)
            else:
                await self._refuse(send, 405, "Method not allowed.", headers=[(b"allow", b"POST")])
        elif self.links and self.links.serves(scope["raw_path"]):
            await self.links(scope, receive, send)
        elif path in {b"/health", b"/ready"}:
            if method in {"GET", "HEAD"}:
                await self._answer_health(send, with_redis=path == b"/ready")
            else:
                await self._refuse(send, 405, "Method not allowed.", headers=[(b"allow", b"GET, HEAD")])
        elif path.startswith(b"/callbacks/"):
            await self._refuse_unknown_secret(send)
        else:
            await self._refuse(send, 404, "Not found.")

    async def _accept(self, scope: AsgiMessage, receive: Receive, send: Send) -> None:
        """Store the reports of one request, and answer it."""
        headers = Headers(scope["headers"])
        if b"via" in headers and await self._is_in_relay_loop(headers):
            self._refusals.warning(
                "reports of this ledger's relay came round to this receiver; check callbacks.relay_url"
            )
            await self._refuse(send, 400, "These reports came from this receiver: the relays post in a loop.")
            return
        try:
            body = posted = await read_body(scope, receive, clock=self._clock)
            encoding = headers.text(b"content-encoding")
            if is_compressed(posted, encoding):
                body = await self._reader.decompress(posted, encoding)
        except BodyTooLong:
            self._refusals.warning("a posted body is too long", max_bytes=MAX_BODY_BYTES)
            await self._refuse(send, 413, f"The body is longer than {MAX_BODY_BYTES} bytes.", close=True)
        except BodyIncomplete:
            await self._refuse(send, 503, "The body did not arrive in time.", close=True)
        except (UnknownEncoding, BodyDamaged) as error:
            await self._refuse_encoding(posted, f"{type(error).__name__}: {error}", send)
        else:
            await self._accept_reports(body, posted, scope, headers, send)

    async def _is_in_relay_loop(self, headers: Headers) -> bool:
        """Return whether the relays post in a loop: the request came through a relay of ours, or through too many."""
        relays = relays_in(headers.text(b"via"))
        if not relays:
            return False
        if len(relays) > MAX_RELAYS:
            return True
        try:
            async with self._clock.timeout(PING_TIMEOUT_S):
                name = await read_relay_id(self._redis)
        except (RedisError, OSError):
            return False  # then the reports cannot be stored either
        return name.encode() in relays

    async def _accept_reports(
        self, body: bytes, posted: bytes, scope: AsgiMessage, headers: Headers, send: Send
    ) -> None:
        """Store the reports in a body, or in the query if there is no body, and answer the request.

        Args:
            body: the body without its Content-Encoding.
            posted: the body as it came.
            scope: the request.
            headers: its headers.
            send: sends the response.
        """
        query = scope["query_string"]
        try:
            reports = await self._reader.read(body, headers.text(b"content-type"), query)
        except ReportsUnreadable as error:
            await self._refuse_as_unreadable(body or query, str(error), send)
            return
        if not reports.events and not reports.unusable:
            await self._confirm(send, 0)
        elif reports.missing:
            letter = DeadLetter(DeadLetterReason.UNUSABLE, reports.content, _missing_text(reports.missing))
            if await self._keep(letter, send):
                await self._refuse_as_incomplete(send, reports.missing)
        else:  # unusable rows become dead letters, and do not affect the other rows
            via = b" ".join(relays_in(headers.text(b"via"))) if b"via" in headers else b""
            request = request_of(
                scope["method"],
                query,
                headers,
                posted,
                decompressed_bytes=len(body),
                content=reports.content,
            )
            await self._store(reports.content, reports.events, send, via=via, request=request)

    async def _keep(self, letter: DeadLetter, send: Send) -> bool:
        """Keep a refused body as a dead letter; if this fails, answer 503 and return False."""
        try:
            if self._room.refusal:
                raise NotStored(self._room.refusal)
            async with self._clock.timeout(KEEP_TIMEOUT_S), self._keeping:
                await self._dead_letters.add([letter])
        except (RedisError, OSError, NotStored):
            await self._refuse(send, 503, "The reports could not be stored. Please post them again.")
            return False
        return True

    async def _refuse_as_unreadable(self, body: bytes, reason: str, send: Send) -> None:
        if not body.strip() or reason == "the body is an empty array":
            await self._refuse_as_incomplete(send, MANDATORY_FIELDS)
        elif await self._keep(DeadLetter(DeadLetterReason.UNREADABLE, body, reason), send):
            self._refusals.warning("a posted body cannot be read", reason=reason)
            await self._refuse(send, 400, f"Bad request: {reason}.", details={"missing_fields": []})

    async def _refuse_encoding(self, body: bytes, reason: str, send: Send) -> None:
        if await self._keep(DeadLetter(DeadLetterReason.UNREADABLE, body, reason), send):
            self._refusals.warning("a posted body has an encoding that cannot be read")
            message = "The body's Content-Encoding cannot be read; gzip, deflate and identity can be."
            await self._refuse(send, 415, message, headers=[(b"accept-encoding", b"gzip, deflate, identity")])

    async def _store(self, body: bytes, events: int, send: Send, *, via: bytes, request: bytes) -> None:
        """Store reports, and answer the request.

        Args:
            body: the reports as JSON.
            events: how many rows are report events.
            send: sends the response.
            via: the relays of other ledgers through which the reports came (``streams.VIA``).
            request: the request in which they were posted (``posted_requests``).
        """
        if self._room.refusal:
            await self._refuse(send, 503, "No more reports can be stored now. Please post these reports again later.")
            return
        try:
            await self._writer.put(body, via=via, request=request)
        except NotStored:
            await self._refuse(send, 503, "The reports could not be stored. Please post them again.")
        else:
            await self._confirm(send, events)

    async def _confirm(self, send: Send, events: int) -> None:
        await _send_body(send, 200, _CONFIRMATION % (events, int(self._clock.time())))

    async def _refuse_unknown_secret(self, send: Send) -> None:
        """Answer 503 after a change of the secrets, so that the provider posts again; else 404."""
        is_change_recent = await self._secrets.is_change_recent()
        self._refusals.warning("a request had an unknown secret", answered=503 if is_change_recent else 404)
        if is_change_recent:
            await self._refuse(send, 503, "The secret is unknown at the moment. Please post again later.")
        else:
            await self._refuse(send, 404, "Not found.")

    async def _refuse_as_incomplete(self, send: Send, missing: Sequence[str]) -> None:
        self._refusals.warning("a posted body lacks mandatory fields", missing=missing)
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
        """Answer with an error.

        Args:
            send: sends the response.
            status: the HTTP status; 5xx if the provider is to post again.
            message: the reason, for people.
            details: more fields of the response, for programs.
            headers: headers of the response, besides those that every response has.
            close: whether the connection is closed after the response.
        """
        content = {
            "status": "error",
            "message": message,
            "error_code": status,
            "details": {**(details or {}), "timestamp": int(self._clock.time())},
        }
        await respond(send, status, content, headers=[*headers, (b"connection", b"close")] if close else headers)

    async def _answer_health(self, send: Send, *, with_redis: bool) -> None:
        warnings: list[str] = []
        try:
            if with_redis:
                async with self._clock.timeout(PING_TIMEOUT_S):
                    await self._redis.ping()
                    warnings = await self._room.warnings()
        except (RedisError, OSError):
            await respond(send, 503, {"status": "redis does not answer"})
            return
        refusal = self._room.refusal if with_redis else ""
        content: dict[str, Any] = {"status": f"no reports are taken: {refusal}" if refusal else "ok"}
        if warnings:
            content["warnings"] = warnings
        await respond(send, 503 if refusal else 200, content)


def _missing_text(fields: Iterable[str]) -> str:
    return f"fields are missing: {', '.join(fields)}"


async def respond(send: Send, status: int, content: Any, *, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole JSON response."""
    await _send_body(send, status, msgspec.json.encode(content), headers=headers)


async def _send_body(send: Send, status: int, body: bytes, *, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def serve(settings: Settings) -> None:
    """Receive until a signal; then answer the requests in progress."""
    gc.freeze()  # otherwise each full garbage collection would scan all loaded modules, for tens of milliseconds
    async with connect(settings.redis_url) as redis:
        secrets = CallbackSecrets(
            redis,
            (settings.callback_secret, settings.old_callback_secret),
            change_s=settings.callbacks.unknown_secret_503_s,
        )
        stream_limits = StreamLimits.of(settings.callbacks)
        room = ReportRoom(
            redis,
            max_memory_share=settings.ledger.max_memory_share,
            max_waiting_bytes=stream_limits.max_waiting_bytes,
        )
        dead_letters = DeadLetters(redis, limits=DeadLetterLimits(max_bytes=stream_limits.max_dead_letter_bytes))
        refusals = RefusalLog()
        writer = ReportStreamWriter(
            redis,
            wait_for_replicas=settings.ledger.wait_for_replicas,
            replicas_within_s=settings.ledger.replicas_within_s,
        )
        receiver = Receiver(redis, writer, secrets, room=room, dead_letters=dead_letters, refusals=refusals)
        max_visits = 0
        if settings.links.with_receiver:
            receiver.links = make_links(redis, settings, room=room, refusals=refusals)
            max_visits = settings.links.max_per_address
        limits = server_limits(
            settings.callbacks, max_per_address=settings.callbacks.max_per_address, max_visits_per_address=max_visits
        )
        server = make_server(
            receiver, settings.callbacks.listen, limits=limits, refusals=refusals, is_visit=LinksApplication.serves
        )
        heartbeat = Heartbeat(redis, ProcessKind.RECEIVER, figures=lambda: {"requests": server.load.requests})
        watches = (secrets.record, partial(watch_backlog, redis), room.watch, refusals.run, heartbeat.run)
        runs = (server.run_until, server.collect_garbage, *watches)
        await run_until_signalled(*runs, stop_within_s=STOP_WITHIN_S)
    log.info("receiver stopped")


def main() -> None:
    """Run the process with the settings that its environment names."""
    settings = load_settings_or_exit(Need.LEDGER, Need.CALLBACKS)
    if settings.links.with_receiver:
        settings = load_settings_or_exit(Need.LEDGER, Need.CALLBACKS, Need.IDS, Need.LINKS)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
