"""A provider, described: where a push goes, how it proves itself, what it carries and how the answer is read.

Nothing here knows Times Mobile but the two presets at the end (DOMAIN.md sections 1 and 2).
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from timesmobile.answers import TIMES_MOBILE_ANSWERS, AnswerRules

Method = Literal["GET", "POST"]
Encoding = Literal["json", "form", "query"]
"""Where the payload stands: one flat JSON object, a form-urlencoded body, or the query string."""

PLACEHOLDER = re.compile(r"\$\$([A-Za-z][A-Za-z0-9_]*)")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


class ProviderInvalid(ValueError):
    """The description cannot work; ``problems`` are sentences that hold no secret."""

    def __init__(self, nickname: str, problems: list[str]) -> None:
        super().__init__(f"provider {nickname}: " + "; ".join(problems))
        self.problems = problems


class Authentication(Protocol):
    """Proves who sends a request, by its Authorization header.

    The two kinds below never change. OAuth 2.0 client credentials will be a third: something else keeps its token
    fresh, and this only says what the token is now, so that a push never waits for one. When the value changes, the
    provider's payload is compiled anew (``timesmobile.payload``), which costs less than one push.

        class ClientCredentials:
            def authorization(self) -> str:
                return f"Bearer {self._token}"
    """

    def authorization(self) -> str:
        """Return the header's value as of now, without waiting; empty is no header."""


class NoAuthentication(msgspec.Struct, frozen=True):
    """Credentials, if any, are in the payload."""

    def authorization(self) -> str:
        """Return nothing."""
        return ""


class BasicAuthentication(msgspec.Struct, frozen=True):
    """HTTP Basic, in UTF-8 (RFC 7617)."""

    username: str
    password: str

    def authorization(self) -> str:
        """Return ``Basic`` and the credentials in base 64."""
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()

    def __repr__(self) -> str:
        return "BasicAuthentication()"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One account at one HTTP SMS provider. Making one checks nothing; ``problems`` does."""

    nickname: str
    method: Method
    endpoint: str
    """Absolute and case-sensitive; may have a query of its own."""
    encoding: Encoding
    payload: tuple[tuple[str, str], ...]
    """Key and template, in order. ``$$To``, ``$$Body``, ``$$TemplateID``, ``$$MessageID``, ``$$CampaignID``,
    ``$$From``, ``$$Unicode``, ``$$Username`` and ``$$Password`` are filled in; any other ``$$name`` comes from
    ``custom``."""
    username: str = ""
    password: str = ""
    auth: Authentication = NoAuthentication()
    headers: tuple[tuple[str, str], ...] = ()
    custom: tuple[tuple[str, str], ...] = ()
    """Name without ``$$`` and value; a push's own value goes before it."""
    answers: AnswerRules = TIMES_MOBILE_ANSWERS
    connect_timeout_s: float = 5.0
    """For name, TCP, proxy and TLS together; also the longest wait for a free connection."""
    total_timeout_s: float = 15.0
    """From the call to the last byte of the answer."""
    max_connections: int = 400
    keep_idle_s: float = 4.0
    """Idle connections are closed after this: just before common servers (5 s) do it, which leaves pushes in doubt."""
    proxy: str = ""
    """``http://[user:password@]host:port``. The environment's proxies are never used."""
    ca_file: str = ""
    """PEM file of one more root certificate to trust."""

    def __repr__(self) -> str:
        where = self.endpoint.partition("?")[0].rpartition("@")[2]
        return f"Provider(nickname={self.nickname!r}, method={self.method!r}, endpoint={where!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("nickname", self.nickname), ("method", self.method)]


def problems(provider: Provider) -> list[str]:
    """Say all that keeps the description from working; empty is fine. No sentence holds a secret."""
    return [*_address_problems(provider), *_payload_problems(provider), *_limit_problems(provider)]


def _address_problems(provider: Provider) -> Iterator[str]:
    if not _is_address(provider.endpoint):
        yield "endpoint must be an http:// or https:// address"
    elif "@" in urlsplit(provider.endpoint).netloc:
        yield "endpoint must not hold credentials; give them as username and password"
    if "#" in provider.endpoint or PLACEHOLDER.search(provider.endpoint):
        yield "endpoint must hold neither # nor placeholders; those belong into the payload"
    if provider.proxy and not _is_address(provider.proxy):
        yield "proxy must be an http:// or https:// address"
    for name, value in provider.headers:
        if not _HEADER.fullmatch(name):
            yield f"header {name!r}: the name is not one that HTTP allows"
        elif not _HEADER_VALUE.fullmatch(value):
            yield f"header {name}: the value must be one line of ASCII"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _payload_problems(provider: Provider) -> Iterator[str]:
    used = {name for _, template in provider.payload for name in PLACEHOLDER.findall(template)}
    if provider.method == "GET" and provider.encoding != "query":
        yield f"a GET carries its payload in the query, not as {provider.encoding}"
    if "To" not in used:
        yield "the payload needs $$To"
    if not used & {"Body", "TemplateID"}:
        yield "the payload needs $$Body or $$TemplateID"


def _limit_problems(provider: Provider) -> Iterator[str]:
    if not 0 < provider.connect_timeout_s <= provider.total_timeout_s:
        yield "connect_timeout_s must be above 0 and at most total_timeout_s"
    if provider.max_connections < 1:
        yield "max_connections must be at least 1"


_TIMES_MOBILE_PAYLOAD = (
    ("username", "$$Username"),
    ("password", "$$Password"),
    ("unicode", "$$Unicode"),
    ("from", "$$From"),
    ("to", "$$To"),
    ("text", "$$Body"),
    ("dltContentId", "$$TemplateID"),
    ("corelationid", "$$MessageID"),
)


def timesmobile_post(
    *,
    nickname: str,
    username: str,
    password: str,
    endpoint: str = "https://bsms.timesapi.in/ct/api/v1/message",
    connect_timeout_s: float = 5.0,
    total_timeout_s: float = 15.0,
    max_connections: int = 400,
    proxy: str = "",
    ca_file: str = "",
) -> Provider:
    """Describe Times Mobile's POST API: one flat JSON object, and Basic authentication beside the credentials in it."""
    return Provider(
        nickname=nickname,
        method="POST",
        endpoint=endpoint,
        encoding="json",
        payload=_TIMES_MOBILE_PAYLOAD,
        username=username,
        password=password,
        auth=BasicAuthentication(username, password),
        headers=(("Content-Type", "application/JSON"), ("Accept", "application/JSON")),
        connect_timeout_s=connect_timeout_s,
        total_timeout_s=total_timeout_s,
        max_connections=max_connections,
        proxy=proxy,
        ca_file=ca_file,
    )


def timesmobile_get(
    *,
    nickname: str,
    username: str,
    password: str,
    endpoint: str = "https://bsms.timesapi.in/ct/api/v1/send",
    connect_timeout_s: float = 5.0,
    total_timeout_s: float = 15.0,
    max_connections: int = 400,
    proxy: str = "",
    ca_file: str = "",
) -> Provider:
    """Describe Times Mobile's GET API: everything in the query, the password too, so its URL is never shown."""
    return Provider(
        nickname=nickname,
        method="GET",
        endpoint=endpoint,
        encoding="query",
        payload=_TIMES_MOBILE_PAYLOAD,
        username=username,
        password=password,
        connect_timeout_s=connect_timeout_s,
        total_timeout_s=total_timeout_s,
        max_connections=max_connections,
        proxy=proxy,
        ca_file=ca_file,
    )
