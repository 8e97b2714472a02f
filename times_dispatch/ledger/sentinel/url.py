"""The URL of a Redis behind Sentinel: ``redis+sentinel://user:password@host:26379,host:26379/0?master=dispatch``.

The hosts are the sentinels; user, password and database are those of the primary. ``master`` is the name under which
the sentinels know the primary. ``rediss+sentinel://`` is TLS, to the sentinels as well, with the options of
``times_dispatch/tls_options.py``. With ``sentinel_login=yes`` the sentinels get the same user and password.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from times_dispatch.ledger.urls_of_hosts import split_hosts

_SCHEMES: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:,/?#@\s]+)(?::(?P<port>\d{1,5}))?")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DATABASE: Final = re.compile(r"/?|/(\d{1,3})")
_DEFAULT_PORT: Final = 26379
_MAX_PORT: Final = 65_535
_MASTER: Final = "master"
_LOGIN: Final = "sentinel_login"


class SentinelUrl(NamedTuple):
    """The parts of the URL of a Redis behind Sentinel."""

    scheme: str
    """redis or rediss: the scheme of the URL of a single server."""
    login: str
    """``user:password@`` as the URL has it; empty without a login."""
    sentinels: tuple[tuple[str, int], ...]
    """Host and port of each sentinel."""
    master: str
    """The name of the primary."""
    database: int
    options: str
    """The options for TLS, with the question mark; empty without options."""
    sentinels_want_login: bool
    """Whether the sentinels ask for the same user and password."""

    @property
    def of_server(self) -> str:
        """The URL of a single server, with the first sentinel in place of the primary, whose address is found later."""
        return f"{self.scheme}://{self.login}{self._hosts[0]}/{self.database}{self.options}"

    @property
    def of_sentinels(self) -> list[str]:
        """The URL of each sentinel."""
        login = self.login if self.sentinels_want_login else ""
        return [f"{self.scheme}://{login}{host}/0{self.options}" for host in self._hosts]

    @property
    def of_broker(self) -> str:
        """The URL for kombu, which gets the name of the primary and the options for TLS separately."""
        return ";".join(f"sentinel://{self.login}{host}/{self.database}" for host in self._hosts)

    @property
    def shown(self) -> str:
        """The primary's name and its sentinels, for messages; never the password."""
        return f"{self.master} (Sentinel at {', '.join(self._hosts)})"

    @property
    def _hosts(self) -> list[str]:
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.sentinels]


def is_sentinel(url: str) -> bool:
    """Say whether a URL names a Redis behind Sentinel."""
    return url.partition("://")[0] in _SCHEMES


def parse(url: str) -> SentinelUrl:
    """Read the URL of a Redis behind Sentinel.

    Raises:
        ValueError: The URL cannot be used. The message holds no part of the URL.
    """
    parts = split_hosts(url)
    login, at, hosts = parts.netloc.rpartition("@")
    database = _DATABASE.fullmatch(parts.path)
    if parts.scheme not in _SCHEMES or not database or parts.fragment:
        raise ValueError("is no URL like redis+sentinel://host:26379,host:26379/0?master=NAME")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    own = {name: value for name, value in pairs if name in (_MASTER, _LOGIN)}
    if not _NAME.fullmatch(own.get(_MASTER, "")):
        raise ValueError("needs the option master=NAME, the name under which the sentinels know the primary")
    if own.get(_LOGIN, "no") not in ("yes", "no"):
        raise ValueError("has an option sentinel_login that is neither yes nor no")
    others = [pair for pair in pairs if pair[0] not in own]
    return SentinelUrl(
        scheme=_SCHEMES[parts.scheme],
        login=login + at,
        sentinels=tuple(_address(host) for host in hosts.split(",")),
        master=own[_MASTER],
        database=int(database[1] or 0),
        options=f"?{urlencode(others)}" if others else "",
        sentinels_want_login=own.get(_LOGIN) == "yes",
    )


def _address(text: str) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    port = int(match["port"] or _DEFAULT_PORT) if match else 0
    if not match or not 0 < port <= _MAX_PORT:
        raise ValueError("has a sentinel that is not host:port")
    return match["host"].strip("[]"), port
