"""The load of an HTTP server: its open connections, current requests and held bytes, in total and for each address."""

import resource
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, Protocol

import msgspec
from uvicorn.server import ServerState

from times_dispatch.http_server.event_loop_turns import ForgettingTurns, ParsingTurns, StartingTurns
from times_dispatch.http_server.refusal_log import RefusalLog

IPNetwork = IPv4Network | IPv6Network

LOOPBACK: Final[tuple[IPNetwork, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_IPV6_PREFIX: Final = 64
"""The length of the prefix of an IPv6 network that counts as one address, because one customer has all of it."""
_VISITS: Final = "visits of "
_KNOWN_ADDRESSES: Final = 4_096
"""The number of addresses in the caches, because parsing an address takes longer than parsing a request."""
_MAX_ADDRESS: Final = 64
"""The number of characters of an address that are read; a client may send a header with many more."""
_SPARE_FILES: Final = 64
"""The number of files that the process has open besides its connections."""
_OVERLOADED: Final = msgspec.json.encode(
    {"status": "error", "message": "Too many requests at once. Please try again later.", "error_code": 503}
)


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """The limits on the load of a server."""

    max_connections: int = 2048
    """The maximum number of open connections. If all are in use, the oldest connection without a current request is
    closed for a new connection.
    """
    max_requests: int = 2048
    """The maximum number of current requests; further requests get 503."""
    max_starts: int = 16
    """The maximum number of requests that start in one turn of the event loop. Their answers should take a few
    milliseconds together: the longest page that strangers get takes about a millisecond.
    """
    max_per_address: int = 256
    """The maximum number of connections (behind a trusted proxy, of current requests) of one address."""
    max_visits_per_address: int = 0
    """The maximum for tracked links, if the server answers both clicks and posts; 0 if clicks have no separate limit.
    With a separate limit, the larger limit applies to the connections of an address, and each limit to the requests of
    its kind.
    """
    max_body_bytes: int = 1024 * 1024
    """The maximum size of a body. The server counts no further bytes; the application discards the rest and refuses the
    request.
    """
    max_held_bytes: int = 64 * 1024 * 1024
    """The maximum number of bytes of all current requests. A connection whose request exceeds this limit is closed,
    unless the request is short.
    """
    short_request_bytes: int = 16 * 1024
    head_timeout_s: float = 10.0
    """The time from the first byte of a request, or from the start of its connection, to the end of its head."""
    request_timeout_s: float = 30.0
    """The time from the end of a request's head to the end of its body and of its response."""
    response_timeout_s: float = 0.0
    """The time from the end of a request to the end of its response, if responses may take longer than
    ``request_timeout_s``; otherwise 0.
    """
    stalled_timeout_s: float = 30.0
    """How long a client may read nothing of a response."""
    trusted_proxies: Sequence[IPNetwork] = LOOPBACK
    """The addresses of proxies whose header X-Forwarded-For is trusted."""


DEFAULT_SERVER_LIMITS: Final = ServerLimits()


class OpenConnection(Protocol):
    """A connection of the server."""

    def abort(self) -> None:
        """Close the connection immediately."""


class ServerLoad:
    """The current load of a server, compared with the limits."""

    def __init__(
        self,
        limits: ServerLimits = DEFAULT_SERVER_LIMITS,
        *,
        refusals: RefusalLog | None = None,
        is_visit: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        """Make the load of a server without connections.

        Args:
            limits: the limits on the load.
            refusals: logs refused requests; by default a new log for this load.
            is_visit: returns whether a path is the path of a tracked link.
        """
        self.limits = limits
        self._is_visit = is_visit
        self.refusals = refusals or RefusalLog()
        self.starts = StartingTurns(limits.max_starts)
        self.turns = ParsingTurns(self.starts)
        self.losses = ForgettingTurns()
        self.held_bytes = 0
        """The number of bytes of all current requests."""
        self.requests = 0
        """The number of current requests."""
        self._trust = lru_cache(_KNOWN_ADDRESSES)(self._is_in_trusted_network)
        self._connections: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._total = 0
        # Dictionaries keep the order in which the connections were opened.
        self._silent: dict[OpenConnection, None] = {}
        self._idle: dict[OpenConnection, None] = {}

    def open(self, connection: OpenConnection, peer: str) -> bool:
        """Count a new connection from an address; return False if the connection must be closed.

        A connection must be closed if the address has too many connections, or if there are too many connections and
        each of them has a current request.
        """
        address = grouped(peer)
        self._total += 1
        self._connections[address] += 1
        max_per_address = max(self.limits.max_per_address, self.limits.max_visits_per_address)
        if self._connections[address] > max_per_address and not self.is_trusted(peer):
            self.refusals.warning("an address has too many connections")
            return False
        if self._total > self.limits.max_connections:
            self.refusals.warning("too many connections are open; the oldest without a request is closed")
            oldest = next(iter(self._silent or self._idle), None)
            if oldest is None:
                return False
            oldest.abort()
        self._silent[connection] = None
        return True

    def close(self, connection: OpenConnection, peer: str) -> None:
        """Remove a closed connection from the count."""
        self._total -= 1
        _count_down(self._connections, grouped(peer))
        self._silent.pop(connection, None)
        self._idle.pop(connection, None)

    def begin(self, connection: OpenConnection, client: str) -> bool:
        """Count a new request; return False if the request must be refused.

        Args:
            connection: the connection of the request.
            client: the result of the method ``client`` for the request.
        """
        self._silent.pop(connection, None)
        self._idle.pop(connection, None)
        self.requests += 1
        is_refused = self.requests > self.limits.max_requests
        if client:
            self._requests[client] += 1
            max_of_client = self.limits.max_per_address
            if client.startswith(_VISITS):
                max_of_client = self.limits.max_visits_per_address
            is_refused = is_refused or self._requests[client] > max_of_client
        if is_refused:
            self.refusals.warning("too many requests are under way")
        return not is_refused

    def end(self, connection: OpenConnection, client: str, *, is_idle: bool) -> None:
        """Remove an answered request from the count; *is_idle*: the connection is open, and has no other request."""
        self.requests -= 1
        if client:
            _count_down(self._requests, client)
        if is_idle:
            self._idle[connection] = None

    def hold(self, added_bytes: int, held_bytes: int, *, is_head: bool) -> bool:
        """Count bytes of a request; return False if the connection must be closed.

        Args:
            added_bytes: the bytes that were received now.
            held_bytes: all bytes of the request.
            is_head: whether the head of the request is incomplete. Heads may take only half of the bytes, because
                clients send heads before they are authenticated.
        """
        self.held_bytes += added_bytes
        max_bytes = self.limits.max_held_bytes // (2 if is_head else 1)
        if self.held_bytes <= max_bytes or held_bytes <= self.limits.short_request_bytes:
            return True
        self.refusals.warning("too many bytes of requests are under way; connections are closed")
        return False

    def is_trusted(self, address: str) -> bool:
        """Return whether an address belongs to a trusted proxy."""
        return self._trust(address[:_MAX_ADDRESS])

    def _is_in_trusted_network(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.limits.trusted_proxies)

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]], target: bytes = b"") -> str:
        """Return the address to which a request counts; empty if the request counts to no address.

        A request through a trusted proxy counts to the address that the proxy names. Without a proxy, the number of
        connections limits the number of requests of an address, so the request counts to no address. With a separate
        limit for tracked links, each request counts to its address, because visits and posts have separate limits.

        Args:
            peer: the address of the connection.
            headers: the fields of the request, with names in lower case.
            target: the request's path and query.
        """
        has_visits = bool(self.limits.max_visits_per_address)
        if not has_visits:
            for name, _ in headers:
                if name == b"x-forwarded-for":
                    break
            else:
                return ""
        address = self._forwarded_for(peer, headers, has_visits=has_visits)
        if address and has_visits and self._is_visit(target.partition(b"?")[0]):
            return f"{_VISITS}{address}"
        return address

    def _forwarded_for(self, peer: str, headers: Iterable[tuple[bytes, bytes]], *, has_visits: bool) -> str:
        if not self.is_trusted(peer):
            return grouped(peer) if has_visits else ""
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        addresses = [part.strip().decode("latin-1") for part in forwarded.split(b",") if part.strip()]
        # Each proxy adds the address of its client, and only addresses that trusted proxies added can be trusted.
        return next((grouped(address) for address in reversed(addresses) if not self.is_trusted(address)), "")


class ServerStateWithLoad(ServerState):
    """Uvicorn's state of a server, and the server's load."""

    def __init__(self, load: ServerLoad) -> None:
        super().__init__()
        self.load = load


def grouped(address: str) -> str:
    """Return the address under which an address is counted; for IPv6, the network of the first 64 bits."""
    return _grouped(address[:_MAX_ADDRESS])


@lru_cache(_KNOWN_ADDRESSES)
def _grouped(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        if not parsed.is_loopback:
            return str(IPv6Network((parsed, _IPV6_PREFIX), strict=False))
    return str(parsed)


def max_connections(wanted: int) -> int:
    """Raise the limit of open files; return how many connections the process may have open, at most *wanted*."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return max(1, raised - _SPARE_FILES)


def _count_down(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


async def refuse_overload(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer a request that ``ServerLoad.begin`` does not accept; an ASGI application."""
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_OVERLOADED))]
    headers = [*fields, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _OVERLOADED})
