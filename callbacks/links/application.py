"""The ASGI application of tracked links: ``GET /HEADER/<code>`` answers 302 once the click is stored.

Clicks are stored as the provider posts them (docs/domain.md section 3), in the stream ``reports``. All clicks that come
while a write is under way share the next write, so that the answer waits for one or two round trips to Redis.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callbacks.links import pages
from callbacks.links.directory import LinkDirectory, MessageLink
from callbacks.links.visit_ids import VisitIds
from callbacks.links.visitors import kind_of_visit
from callbacks.report_room import ReportRoom
from callbacks.request_body import AsgiMessage, Receive, Send
from callbacks.stream_writer import NotStored, ReportStreamWriter
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.reports.event_kinds import EventKind

PATH: Final = re.compile(rb"/([A-Za-z]{3,6}|[0-9]{6})/([0-9A-Za-z]{11})(/stop)?/?")
"""The path of a link, or of its opt-out page. Some programs add a slash."""
PING_TIMEOUT_S: Final = 1.0
MAX_VISITS_A_MINUTE: Final = 600
"""Visits of one link that one process answers in a minute; further visits get 429 and are not stored."""
MAX_OPT_OUTS_A_MINUTE: Final = 10
"""Opt-outs through one link that one process stores in a minute: the first opt-out is enough."""
_MAX_COUNTED_LINKS: Final = 200_000
_RETRY_AFTER_S: Final = b"5"
_COMMON_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"x-content-type-options", b"nosniff"),
)
_PAGE_HEADERS: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
    (b"referrer-policy", b"no-referrer"),
)


class _Request(NamedTuple):
    method: str
    headers: Iterable[tuple[bytes, bytes]]
    header: str
    """The sender in the path."""
    code: str


class _VisitCounter:
    """Counts the visits of each link in the present minute, so that one link cannot fill the stream of reports."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minute = -1
        self._visits: Counter[str] = Counter()

    def may_count(self, code: str, *, at_most: int) -> bool:
        """Count a visit; return False if the link had more than *at_most* in this minute."""
        minute = int(self._clock.monotonic() // 60)
        if minute != self._minute or len(self._visits) >= _MAX_COUNTED_LINKS:
            self._minute = minute
            self._visits.clear()
        self._visits[code] += 1
        return self._visits[code] <= at_most


class LinksApplication:
    """``GET`` and ``HEAD`` of a link, its opt-out page, ``GET /health`` and ``GET /ready`` (with Redis)."""

    def __init__(
        self,
        redis: Redis,
        directory: LinkDirectory,
        writer: ReportStreamWriter,
        ids: CorrelationIds,
        *,
        expire_after_s: float,
        stop_word: str = "",
        room: ReportRoom | None = None,
        refusals: RefusalLog | None = None,
        max_visits_a_minute: int = MAX_VISITS_A_MINUTE,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make an application.

        Args:
            redis: the Redis whose availability ``GET /ready`` reports.
            directory: finds links by their codes.
            writer: stores clicks.
            ids: makes the correlation id of a clicked message.
            expire_after_s: seconds after the end of a campaign's validity at which its links expire.
            stop_word: the reply that an opt-out is stored as; empty if no reply opts out.
            room: says whether clicks may be stored; by default a room with the default limits, which is never checked.
            refusals: log the requests that are refused; by default a log of this application only.
            max_visits_a_minute: visits of one link that are answered in a minute.
            clock: the clock of the clicks and of the expiry.
        """
        self._redis = redis
        self._directory = directory
        self._writer = writer
        self._ids = ids
        self._expire_after_s = expire_after_s
        self._stop_word = stop_word
        self._room = room or ReportRoom(redis)
        self._refusals = refusals or RefusalLog()
        self._clock = clock
        self._max_visits_a_minute = max_visits_a_minute
        self._visits = _VisitCounter(clock)
        self._opt_outs = _VisitCounter(clock)
        self._visit_ids = VisitIds()

    @staticmethod
    def serves(path: bytes) -> bool:
        """Return whether a path has the form of a link or of an opt-out page."""
        return PATH.fullmatch(path) is not None

    async def __call__(self, scope: AsgiMessage, receive: Receive, send: Send) -> None:  # noqa: ARG002  # no body is read
        if scope["type"] != "http":
            msg = f"tracked links do not speak {scope['type']}"
            raise RuntimeError(msg)
        path, method = scope["raw_path"], scope["method"]
        match = PATH.fullmatch(path)
        if match is None:
            if path in {b"/health", b"/ready"} and method in {"GET", "HEAD"}:
                await self._answer_health(send, with_redis=path == b"/ready")
            else:
                await self._respond_with_page(send, 404, pages.UNKNOWN)
            return
        is_stop = match[3] is not None
        allowed = ("GET", "HEAD", "POST") if is_stop else ("GET", "HEAD")
        if method not in allowed:
            await self._respond_with_page(send, 405, pages.UNKNOWN, headers=[(b"allow", ", ".join(allowed).encode())])
            return
        request = _Request(method, scope["headers"], match[1].decode(), match[2].decode())
        try:
            await (self._answer_opt_out if is_stop else self._answer_click)(request, send)
        except (RedisError, OSError, NotStored, ValueError) as error:  # a ValueError: a damaged campaign or batch
            self._refusals.warning("a click cannot be answered", error=type(error).__name__)
            await self._respond_with_page(send, 503, pages.UNAVAILABLE, headers=[(b"retry-after", _RETRY_AFTER_S)])

    async def _answer_click(self, request: _Request, send: Send) -> None:
        link = await self._directory.find(request.header, request.code)
        if link is None:
            await self._refuse_unknown(send)
            return
        if self._clock.time() * 1000 >= link.campaign.until_ms + self._expire_after_s * 1000:
            await self._respond_with_page(send, 410, pages.EXPIRED)
            return
        target = await self._directory.target(link)
        if target is None:
            await self._respond_with_page(send, 410, pages.EXPIRED)
            return
        if not self._visits.may_count(request.code, at_most=self._max_visits_a_minute):
            await self._refuse_too_many(send)
            return
        visit = self._visit_ids.next(link.campaign.id)
        row = {
            "url": target,
            "shorturl": f"{link.campaign.links.prefix}{request.code}",
            "link": link.number + 1,
            "id": visit,
        }
        await self._store(kind_of_visit(request.method, request.headers), link, row)
        headers = [
            (b"location", target.encode("ascii")),
            (b"content-length", b"0"),
            (b"x-request-id", visit.encode()),
            *_COMMON_HEADERS,
        ]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _answer_opt_out(self, request: _Request, send: Send) -> None:
        """Show the page that asks, or store the opt-out: only a POST opts out, because scanners follow links.

        An opt-out is possible as long as the ledger has the message, also after the link has expired.
        """
        link = await self._directory.find(request.header, request.code)
        if link is None or not link.campaign.links.has_opt_out or not self._stop_word:
            await self._refuse_unknown(send)
        elif request.method != "POST":
            await self._respond_with_page(send, 200, pages.ask_to_opt_out(request.header))
        elif not self._opt_outs.may_count(request.code, at_most=MAX_OPT_OUTS_A_MINUTE):
            await self._refuse_too_many(send)
        else:
            row = {"toPhone": request.header, "incomingText": self._stop_word}
            await self._store(EventKind.REPLIED, link, row)
            await self._respond_with_page(send, 200, pages.opted_out(request.header))

    async def _store(self, kind: EventKind, link: MessageLink, row: dict[str, Any]) -> None:
        """Store an event and then return; raise NotStored if the event may not be stored."""
        if self._room.refusal:
            raise NotStored(self._room.refusal)
        meta = self._ids.make(link.campaign.id, link.message)
        event = {"event": kind.value, "data": [{"ts": int(self._clock.time()), "meta": meta, **row}]}
        await self._writer.put(msgspec.json.encode([event]))

    async def _refuse_unknown(self, send: Send) -> None:
        self._refusals.warning("a link is unknown")
        await self._respond_with_page(send, 404, pages.UNKNOWN)

    async def _refuse_too_many(self, send: Send) -> None:
        self._refusals.warning("a link is visited too often")
        await self._respond_with_page(send, 429, pages.UNAVAILABLE, headers=[(b"retry-after", b"60")])

    async def _answer_health(self, send: Send, *, with_redis: bool) -> None:
        status, text = 200, b"ok"
        try:
            if with_redis:
                async with self._clock.timeout(PING_TIMEOUT_S):
                    await self._redis.ping()
                if self._room.refusal:
                    status, text = 503, b"no clicks are stored"
        except (RedisError, OSError):
            status, text = 503, b"redis does not answer"
        fields = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text)), *_COMMON_HEADERS]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": text})

    async def _respond_with_page(
        self, send: Send, status: int, page: bytes, *, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Send a page.

        Args:
            send: sends the response.
            status: the HTTP status.
            page: the page.
            headers: headers of the response, besides those that every page has.
        """
        fields = [(b"content-length", b"%d" % len(page)), *_PAGE_HEADERS, *_COMMON_HEADERS, *headers]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": page})
