"""A provider, described: where a push goes, how it proves itself, what it carries and how the answer is read.

Nothing here knows Times Mobile but the two presets at the end (docs/domain.md sections 1 and 2).
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from times_dispatch.provider.description.answers import TIMES_MOBILE_ANSWERS, AnswerRules
from times_dispatch.provider.description.json_template import parse, strings
from times_dispatch.provider.oauth.credentials import Authentication, BasicAuthentication, NoAuthentication

Method = Literal["GET", "POST"]
Encoding = Literal["json", "form", "query"]
"""Where the payload stands: a JSON body, a form-urlencoded body, or the query string."""

MOST_IN_GROUP = 10
"""Providers of one sender, by priority."""


class ProviderInvalid(ValueError):
    """The description cannot work; ``problems`` are sentences that hold no secret."""

    def __init__(self, nickname: str, problems: list[str]) -> None:
        super().__init__(f"provider {nickname}: " + "; ".join(problems))
        self.problems = problems


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One account at one HTTP SMS provider; ``validation`` checks it, constructing it checks nothing."""

    nickname: str
    method: Method
    endpoint: str
    """Absolute and case-sensitive; may have a query of its own."""
    encoding: Encoding
    payload: tuple[tuple[str, str], ...] | str
    """Key and template, in order; or, as JSON, the text of a whole document whose strings are templates. For the
    placeholders see ``times_dispatch.provider.description.placeholders``."""
    username: str = ""
    password: str = ""
    auth: Authentication = NoAuthentication()
    headers: tuple[tuple[str, str], ...] = ()
    """Name and template."""
    custom: tuple[tuple[str, str], ...] = ()
    """Name without ``$$`` and value; a push's own value goes before it."""
    secrets: tuple[tuple[str, str], ...] = ()
    """The same for values that nobody may see; no push's value goes before these."""
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

    @property
    def address(self) -> str:
        """The endpoint without what may be secret: its query, and credentials that should not be there."""
        scheme, _, rest = self.endpoint.partition("?")[0].partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    @property
    def constants(self) -> dict[str, str]:
        """What placeholders stand for whatever the push, by name without the ``$$``."""
        return {"Username": self.username, "Password": self.password, **dict(self.secrets)}

    def templates(self) -> Iterator[tuple[str, str]]:
        """Yield key and template of everything in the payload; raise JsonTemplateInvalid if it cannot be read."""
        yield from strings(parse(self.payload)) if isinstance(self.payload, str) else self.payload

    def __repr__(self) -> str:
        return f"Provider(nickname={self.nickname!r}, method={self.method!r}, endpoint={self.address!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("nickname", self.nickname), ("method", self.method)]


TIMES_MOBILE_POST = "https://bsms.timesapi.in/ct/api/v1/message"
TIMES_MOBILE_GET = "https://bsms.timesapi.in/ct/api/v1/send"

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
    endpoint: str = TIMES_MOBILE_POST,
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
    endpoint: str = TIMES_MOBILE_GET,
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
