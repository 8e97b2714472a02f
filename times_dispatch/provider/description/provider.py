"""A provider's description: endpoint, authentication, payload, and the rules for reading responses.

Only the two presets at the end know Times Mobile (docs/domain.md sections 1 and 2).
"""

from collections.abc import Iterator
from typing import Any, Literal, TypedDict, Unpack

import msgspec

from times_dispatch.provider.description.json_template import parse, strings
from times_dispatch.provider.description.responses import TIMES_MOBILE_RESPONSES, ResponseRules
from times_dispatch.provider.oauth.credentials import Authentication, BasicAuthentication, NoAuthentication

Method = Literal["GET", "POST"]
Encoding = Literal["json", "form", "query"]
"""The form in which the payload is sent: a JSON body, a form-urlencoded body, or the query string."""

MAX_PROVIDERS_PER_SENDER = 10
"""The maximum number of providers in the chain of one sender."""


class ProviderInvalid(ValueError):
    """The description cannot work; ``problems`` holds a sentence without secrets for each problem."""

    def __init__(self, nickname: str, problems: list[str]) -> None:
        super().__init__(f"provider {nickname}: " + "; ".join(problems))
        self.problems = problems


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One account at one HTTP SMS provider. ``validation`` checks a description; the constructor checks nothing."""

    nickname: str
    method: Method
    endpoint: str
    """An absolute, case-sensitive URL; it may have a query."""
    encoding: Encoding
    payload: tuple[tuple[str, str], ...] | str
    """Pairs of key and template, in order; or the text of a JSON document whose strings are templates
    (``json_template``). ``placeholders`` lists the placeholders of a template.
    """
    username: str = ""
    password: str = ""
    auth: Authentication = NoAuthentication()
    headers: tuple[tuple[str, str], ...] = ()
    """Pairs of name and template."""
    custom: tuple[tuple[str, str], ...] = ()
    """Pairs of a placeholder's name (without ``$$``) and its value; a push's custom value overrides it."""
    secrets: tuple[tuple[str, str], ...] = ()
    """Pairs like ``custom`` for secret values; a push's custom value does not override a secret."""
    response_rules: ResponseRules = TIMES_MOBILE_RESPONSES
    connect_timeout_s: float = 5.0
    """The time-out for DNS, TCP, proxy and TLS together; also the longest wait for a free connection."""
    total_timeout_s: float = 15.0
    """The time-out from the start of the push to the last byte of the response."""
    max_connections: int = 400
    keep_idle_s: float = 4.0
    """Idle connections are closed after this time. Common servers close idle connections after 5 s; if the server
    closes the connection during a push, the message is in doubt.
    """
    proxy: str = ""
    """``http://[user:password@]host:port``. The environment's proxies are never used."""
    ca_file: str = ""
    """A PEM file with one more trusted root certificate."""

    @property
    def address(self) -> str:
        """The endpoint without its query and without credentials, which may be secret."""
        scheme, _, rest = self.endpoint.partition("?")[0].partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    @property
    def constants(self) -> dict[str, str]:
        """The values of placeholders that are the same for every push, by name without the ``$$``."""
        return {"Username": self.username, "Password": self.password, **dict(self.secrets)}

    def templates(self) -> Iterator[tuple[str, str]]:
        """Yield each key and template of the payload; raise JsonTemplateInvalid if the payload is no JSON template."""
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


class ProviderOptions(TypedDict, total=False):
    """The fields of ``Provider`` that a user of a preset may change."""

    endpoint: str
    connect_timeout_s: float
    total_timeout_s: float
    max_connections: int
    proxy: str
    ca_file: str


def timesmobile_post(*, nickname: str, username: str, password: str, **options: Unpack[ProviderOptions]) -> Provider:
    """Describe Times Mobile's POST API: a flat JSON object with the credentials in it, and Basic authentication."""
    preset = Provider(
        nickname=nickname,
        method="POST",
        endpoint=TIMES_MOBILE_POST,
        encoding="json",
        payload=_TIMES_MOBILE_PAYLOAD,
        username=username,
        password=password,
        auth=BasicAuthentication(username, password),
        headers=(("Content-Type", "application/JSON"), ("Accept", "application/JSON")),
    )
    return msgspec.structs.replace(preset, **options)


def timesmobile_get(*, nickname: str, username: str, password: str, **options: Unpack[ProviderOptions]) -> Provider:
    """Describe Times Mobile's GET API: the query has all data, even the password, so the URL is never shown."""
    preset = Provider(
        nickname=nickname,
        method="GET",
        endpoint=TIMES_MOBILE_GET,
        encoding="query",
        payload=_TIMES_MOBILE_PAYLOAD,
        username=username,
        password=password,
    )
    return msgspec.structs.replace(preset, **options)
