"""Splits a URL that names several hosts, because urllib of Python 3.14 refuses IPv6 addresses among several hosts."""

import re
from urllib.parse import SplitResult, urlsplit

_HOSTS = re.compile(r"[^/?#]*")


def split_hosts(url: str) -> SplitResult:
    """Return the parts of a URL like ``redis+cluster://user:password@one:7000,[::1]:7001/0?option=x``.

    Raises:
        ValueError: The URL cannot be used.
    """
    scheme, _, rest = url.partition("://")
    hosts = _HOSTS.match(rest)
    netloc = hosts[0] if hosts else ""
    return urlsplit(f"//{rest[len(netloc) :]}")._replace(scheme=scheme, netloc=netloc)
