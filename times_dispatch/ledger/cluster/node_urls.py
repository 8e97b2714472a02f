"""The URL of a cluster, which names one node or more: ``redis+cluster://user:password@host:port,host:port``."""

import re
from typing import Final, NamedTuple

from times_dispatch.ledger.urls_of_hosts import split_hosts

_SCHEMES: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:,/?#@\s]+)(?::(?P<port>\d{1,5}))?")
_DEFAULT_PORT: Final = 6379
_MAX_PORT: Final = 65_535


class Address(NamedTuple):
    """The host and the port on which a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``, as messages show the address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ClusterUrl(NamedTuple):
    """The parts of the URL of a cluster."""

    scheme: str
    """redis or rediss: the scheme of the URL of a single node."""
    login: str
    """``user:password@`` as the URL has it; empty without a login."""
    options: str
    """The options after the question mark, with the question mark; empty without options."""
    nodes: tuple[Address, ...]
    """The nodes in the URL; these nodes name all other nodes."""

    def of_node(self, address: Address) -> str:
        """Return the URL of one node."""
        return f"{self.scheme}://{self.login}{address}/0{self.options}"


def is_cluster(url: str) -> bool:
    """Say whether a URL names a cluster."""
    return url.partition("://")[0] in _SCHEMES


def parse(url: str) -> ClusterUrl:
    """Read the URL of a cluster.

    Raises:
        ValueError: The URL cannot be used. The message holds no part of the URL.
    """
    parts = split_hosts(url)
    login, at, hosts = parts.netloc.rpartition("@")
    if parts.scheme not in _SCHEMES or parts.path not in ("", "/", "/0") or parts.fragment:
        raise ValueError("is no URL of a cluster: a cluster has the database 0 only")
    return ClusterUrl(
        scheme=_SCHEMES[parts.scheme],
        login=login + at,
        options=f"?{parts.query}" if parts.query else "",
        nodes=tuple(_address(host) for host in hosts.split(",")),
    )


def _address(text: str) -> Address:
    match = _HOST.fullmatch(text)
    port = int(match["port"] or _DEFAULT_PORT) if match else 0
    if not match or not 0 < port <= _MAX_PORT:
        raise ValueError("has an address that is not host:port")
    return Address(match["host"].strip("[]"), port)
