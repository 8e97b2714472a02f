"""Posts bodies to the URL of another system, and says whether that system took them."""

from enum import Enum, auto
from types import TracebackType
from typing import Final, Self

import aiohttp
from redis.asyncio import Redis
from yarl import URL

from callbacks.relay.bounded_connector import BoundedConnector
from callbacks.relay.via import make_relay_id, relays_in
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.reports.posted_requests import PLAIN_TYPE, PostedRequest

TIMEOUT: Final = aiohttp.ClientTimeout(total=15.0, connect=5.0)

_TRY_LATER: Final = frozenset({408, 425, 429})
"""HTTP statuses after which a post is repeated, besides 5xx."""


class PostResult(Enum):
    """The result of one post."""

    TAKEN = auto()
    REFUSED = auto()
    FAILED = auto()
    """The system did not take the body, or may not have taken it: the body is to be posted again."""


class RelayPoster:
    """Posts to one URL, which is never logged. Redirects are not followed. Open it with ``async with``.

    The header Via names the relays of other ledgers through which a body came, and then the relays of this ledger. A
    receiver whose own ledger has one of these relays refuses the body, because the body has come back in a loop.
    """

    def __init__(
        self, redis: Redis, url: str, *, timeout: aiohttp.ClientTimeout = TIMEOUT, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Make a poster.

        Args:
            redis: the ledger, which keeps the name of its relays.
            url: the address to which bodies are posted; the address may hold a secret.
            timeout: how long a post may take.
            clock: the clock of ``taken_at_s``.
        """
        self._redis = redis
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._name = b""
        self.taken_at_s = float("-inf")
        """The moment at which the system last took a body, on the monotonic clock."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            skip_auto_headers=["content-type"],
            connector=BoundedConnector(),
            cookie_jar=aiohttp.DummyCookieJar(),  # a jar would keep any number of cookies, and send them
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def prepare(self) -> None:
        """Read the name of this ledger's relays; call this before the first post. Raises Redis errors."""
        if not self._name:
            self._name = (await make_relay_id(self._redis)).encode()

    async def post(self, body: bytes, *, via: bytes = b"", request: PostedRequest | None = None) -> PostResult:
        """Post a body.

        After a failed connection or the status 408, 425, 429 or 5xx the result is FAILED. After any other status but
        2xx the result is REFUSED.

        Args:
            body: the body, as JSON.
            via: the relays of other ledgers through which the body came (``streams.VIA``).
            request: the request in which the body was posted, which is then made again with its method, query, headers
                and bytes; None posts the body as JSON.
        """
        assert self._session  # noqa: S101  # for the type checker
        # Other users of Redis may add entries to the stream: only names of relays go into the header.
        came_by = relays_in(via.decode("ascii", "replace"))
        names = ", ".join(f"1.1 {name.decode()}" for name in (*came_by, self._name))
        request = request or PostedRequest("POST", content_type=PLAIN_TYPE)
        content = body if request.body is None else request.body
        headers = {
            "via": names,
            "content-type": request.content_type,
            "content-encoding": request.content_encoding,
        }
        try:
            async with self._session.request(
                request.method,
                _with_query(self._url, request.query),
                data=content or None,
                headers={name: value for name, value in headers.items() if value},
                allow_redirects=False,
            ) as response:
                status = response.status
        except (aiohttp.ClientError, OSError):
            return PostResult.FAILED
        if 200 <= status < 300:
            self.taken_at_s = self._clock.monotonic()
            return PostResult.TAKEN
        return PostResult.FAILED if status >= 500 or status in _TRY_LATER else PostResult.REFUSED


def _with_query(url: str, query: str) -> URL:
    """Return an address with a query, byte for byte, after its own query."""
    address = URL(url)
    if not query:
        return address
    begin = f"{address.raw_query_string}&" if address.raw_query_string else ""
    return URL(f"{address.with_query(None).with_fragment(None)}?{begin}{query}", encoded=True)
