"""How much an HTTP server does at once: connections, requests and bytes, in total and for each address."""

import resource
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol

from times_dispatch.http_server.parsing_turns import ParsingTurns
from times_dispatch.http_server.refusal_log import RefusalLog

IPNetwork = IPv4Network | IPv6Network

LOOPBACK: Final[tuple[IPNetwork, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_IPV6_PREFIX: Final = 64
"""A customer of a network has at least this network of IPv6 addresses, so that its addresses count as one."""
_VISITS: Final = "visits of "
_KNOWN_ADDRESSES: Final = 4_096
"""Addresses whose network, or whose trust, is remembered; to parse an address takes longer than to parse a request."""
_MAX_ADDRESS: Final = 64
"""Characters of an address that are read; a stranger may send a header of many more."""
_SPARE_FILES: Final = 64
"""Files that the process has open besides its connections."""


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """How much the server does at once."""

    max_connections: int = 2048
    """Open connections. Of those without a request under way the oldest is closed for a new one."""
    max_requests: int = 2048
    """Requests under way; more get 503."""
    max_per_address: int = 256
    """Connections from one address; behind a trusted proxy, requests under way of one address."""
    max_visits_per_address: int = 0
    """The same for tracked links, if the server answers them besides posts; 0 if they have no limit of their own. With
    one, an address may have as many connections as the larger limit, and requests of each kind up to their limit."""
    max_body_bytes: int = 1024 * 1024
    """Bytes of a body. The server counts no more of a request; the application discards the rest and refuses it."""
    max_held_bytes: int = 64 * 1024 * 1024
    """Bytes of requests under way. A connection whose request goes beyond is closed, unless its request is short."""
    short_request_bytes: int = 16 * 1024
    head_timeout_s: float = 10.0
    """The time from the first byte of a request, or from the start of its connection, to the end of its head."""
    request_timeout_s: float = 30.0
    """The time from the end of a request's head to the end of its body and of its response."""
    response_timeout_s: float = 0.0
    """The time from the end of a request to the end of its response, if responses may take longer than that; else 0."""
    stalled_timeout_s: float = 30.0
    """How long a client may read nothing of a response that waits for the client."""
    trusted_proxies: Sequence[IPNetwork] = LOOPBACK
    """Addresses whose header X-Forwarded-For is believed."""


DEFAULT_SERVER_LIMITS: Final = ServerLimits()


class OpenConnection(Protocol):
    """A connection of the server."""

    def abort(self) -> None:
        """Close the connection at once."""


class ServerLoad:
    """What the server does now, compared with its limits."""

    def __init__(
        self,
        limits: ServerLimits = DEFAULT_SERVER_LIMITS,
        *,
        refusals: RefusalLog | None = None,
        is_visit: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        """Make a load of nothing.

        Args:
            limits: how much the server does at once.
            refusals: log the requests that are refused; by default a log of this load only.
            is_visit: returns whether a path is that of a tracked link.
        """
        self.limits = limits
        self._is_visit = is_visit
        self.refusals = refusals or RefusalLog()
        self.turns = ParsingTurns()
        self.held_bytes = 0
        """Bytes of the requests under way."""
        self.requests = 0
        """Requests under way."""
        self._trust = lru_cache(_KNOWN_ADDRESSES)(self._is_in_trusted_network)
        self._connections: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._total = 0
        # Dictionaries, because they keep the order in which the connections came.
        self._silent: dict[OpenConnection, None] = {}
        self._idle: dict[OpenConnection, None] = {}

    def open(self, connection: OpenConnection, peer: str) -> bool:
        """Count a new connection from an address; return False if it is to be closed.

        That is so if its address has too many connections, or if all connections have a request under way.
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
        """Count a connection that was closed."""
        self._total -= 1
        _count_down(self._connections, grouped(peer))
        self._silent.pop(connection, None)
        self._idle.pop(connection, None)

    def begin(self, connection: OpenConnection, client: str) -> bool:
        """Count a request under way; return False if it is to be refused.

        Args:
            connection: the connection of the request.
            client: what ``client`` returned for the request.
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
        """Count a request whose response was sent; *is_idle*: the connection is open, and has no other request."""
        self.requests -= 1
        if client:
            _count_down(self._requests, client)
        if is_idle:
            self._idle[connection] = None

    def hold(self, added_bytes: int, held_bytes: int, *, is_head: bool) -> bool:
        """Count bytes of a request; return False if its connection is to be closed.

        Args:
            added_bytes: the bytes that were received now.
            held_bytes: all bytes of the request.
            is_head: whether its head is not complete; heads may take half of the bytes, because strangers send heads.
        """
        self.held_bytes += added_bytes
        max_bytes = self.limits.max_held_bytes // (2 if is_head else 1)
        if self.held_bytes <= max_bytes or held_bytes <= self.limits.short_request_bytes:
            return True
        self.refusals.warning("too many bytes of requests are under way; connections are closed")
        return False

    def is_trusted(self, address: str) -> bool:
        """Return whether an address is that of a trusted proxy."""
        return self._trust(address[:_MAX_ADDRESS])

    def _is_in_trusted_network(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.limits.trusted_proxies)

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]], target: bytes = b"") -> str:
        """Return as whose request a request counts; empty if it counts as nobody's.

        A request counts as that of the address that a trusted proxy names. Without a proxy the connections of an
        address are limited, so its requests need not be; with a limit for tracked links they are, because visits and
        posts have limits of their own.

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
        # Each proxy adds the address that it saw, and only what trusted proxies added is true.
        return next((grouped(address) for address in reversed(addresses) if not self.is_trusted(address)), "")


def grouped(address: str) -> str:
    """Return the address or network to which an address counts: for IPv6 the network of its first 64 bits."""
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
    """Return how many connections the process may have open, at most *wanted*, and let it open as many files."""
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
