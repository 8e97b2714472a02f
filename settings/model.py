"""What ``dispatch.toml`` may say, table by table, and the Settings that processes start from."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from campaigns.model import CostUnit
from settings.secrets import Secret, SecretBytes
from timesmobile.provider import Provider

Category = Literal["transactional", "service", "government", "promotional"]
Preset = Literal["timesmobile-post", "timesmobile-get"]

_HEADER = re.compile(r"[A-Za-z]{6}|[0-9]{6}")
_NICKNAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_TEMPLATE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError("a header is 6 letters, or 6 digits if promotional, without the operator's suffix")
    return name


def _nickname(name: str) -> str:
    if not _NICKNAME.fullmatch(name):
        raise ValueError("a nickname is a letter, then letters, digits, - or _, at most 32")
    return name


def _template_name(name: str) -> str:
    if not _TEMPLATE_NAME.fullmatch(name):
        raise ValueError("a template's name is letters, digits, -, _ or ., at most 64")
    return name


def _entity_id(digits: str) -> str:
    if digits and not re.fullmatch(r"[0-9]{12,19}", digits):
        raise ValueError(f"must be 12 to 19 digits in quotes, is {digits!r}")
    return digits


def _content_id(digits: str) -> str:
    if not re.fullmatch(r"[0-9]{4,19}", digits):
        raise ValueError(f"must be 4 to 19 digits in quotes, is {digits!r}")
    return digits


def _rate(rate: float) -> float:
    if rate < 0:
        raise ValueError(f"must be above 0, is {rate:g}")
    return rate


def http_url(url: str) -> str:
    """Take a URL of http or https without credentials; the message of the ValueError never repeats it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be a URL that begins with https:// or http://")
    if parts.username or parts.password:
        raise ValueError("must not hold credentials: they are given as environment variables")
    if any(character.isspace() for character in url):
        raise ValueError("must be a URL without spaces")
    return url


def _optional_http_url(url: str) -> str:
    return http_url(url) if url else url


def listen_address(address: str) -> str:
    """Take ``host:port``; raise ValueError otherwise."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError("must be host:port, as in 127.0.0.1:8085")
    return address


OptionalUrl = Annotated[str, AfterValidator(_optional_http_url)]
Seconds = Annotated[FiniteFloat, Field(gt=0, le=600)]
Share = Annotated[FiniteFloat, Field(gt=0, le=1)]


class Table(BaseModel):
    """A table of the file: types as written, and a key that it does not know is a mistake."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class ProviderSettings(Table):
    """``[providers.NICK]``: an account at a provider; its credentials come from the environment."""

    preset: Preset
    endpoint: OptionalUrl = ""
    """Empty: the preset's own."""
    connect_timeout_s: Seconds = 5.0
    total_timeout_s: Seconds = 15.0
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 400
    proxy: OptionalUrl = ""
    """Of http or https; a proxy with credentials is given as ``DISPATCH_PROVIDER_<NICK>_PROXY``."""
    ca_file: str = ""
    """PEM file of one more root certificate to trust."""
    default: bool = False


class Sender(Table):
    """``[senders.HEADER]``: a header as registered, case and all (DOMAIN.md section 5)."""

    provider: str = ""
    """Nickname; left out, the default provider's (filled in when loaded)."""
    category: Category
    entity_id: Annotated[str, AfterValidator(_entity_id)] = ""
    """The principal entity id: 12 to 19 digits."""
    rate_per_s: Annotated[FiniteFloat, AfterValidator(_rate)] = 0.0
    """Messages (or parts, see ``cost``) per second over all its campaigns and all workers; 0 is no limit."""
    cost: CostUnit = "messages"

    @property
    def urgent(self) -> bool:
        """Say whether its campaigns go before bulk."""
        return self.category == "transactional"


class TemplateSettings(Table):
    """``[templates.NAME]``: a text registered with the DLT, and who may send it."""

    sender: str = ""
    senders: list[str] = []
    content_id: Annotated[str, AfterValidator(_content_id)]
    text: Annotated[str, Field(min_length=1)]
    """As registered, byte for byte, with its ``{#var#}`` slots."""
    longest_value: Annotated[int, Field(ge=1, le=2_000)] = 30
    """Characters that a slot's value may have."""

    @model_validator(mode="after")
    def _has_one_list_of_senders(self) -> "TemplateSettings":
        if bool(self.sender) == bool(self.senders):
            raise ValueError('needs either sender = "HEADER" or senders = ["HEADER", …]')
        return self

    @property
    def headers(self) -> tuple[str, ...]:
        """The senders that may send it, the preferred one first."""
        return tuple(self.senders) or (self.sender,)


class Callbacks(Table):
    """``[callbacks]``: where delivery reports come in, and where those that are not ours go."""

    listen: Annotated[str, AfterValidator(listen_address)] = "127.0.0.1:8085"
    """``host:port`` of the receiver."""
    public_url: OptionalUrl = ""
    """What the provider reaches the receiver by, without the secret part of the path."""
    relay_url: OptionalUrl = ""
    """Reports of messages that another system sent go here, in their original bytes; empty: they are set aside."""


class Logs(Table):
    """``[logs]``."""

    format: Literal["auto", "json", "console"] = "auto"
    """``auto`` is ``console`` on a terminal and ``json`` elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def as_json(self) -> bool | None:
        """The format as ``logs.configure`` takes it; None leaves it to the stream."""
        return {"auto": None, "json": True, "console": False}[self.format]


class Brake(Table):
    """``[brake]``: how bad it may get before a campaign stops itself; a count of 0 turns that brake off."""

    rejected_share: Share = 0.5
    rejected_of_last: Annotated[int, Field(ge=0, le=100_000)] = 200
    failed_share: Share = 0.8
    failed_of_last: Annotated[int, Field(ge=0, le=100_000)] = 500


class Worker(Table):
    """``[worker]``: one worker process."""

    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 400
    """Pushes under way at once."""
    lease_s: Annotated[FiniteFloat, Field(ge=1, le=300)] = 15.0
    """A worker that has not been heard of for so long loses its batches to others."""
    grace_s: Annotated[FiniteFloat, Field(ge=0, le=60)] = 5.0
    """What pushes in flight get to end when the process is told to stop."""


class SettingsFile(Table):
    """The whole of ``dispatch.toml``."""

    providers: dict[Annotated[str, AfterValidator(_nickname)], ProviderSettings]
    senders: dict[Annotated[str, AfterValidator(_header)], Sender]
    templates: dict[Annotated[str, AfterValidator(_template_name)], TemplateSettings] = {}
    callbacks: Callbacks = Callbacks()
    logs: Logs = Logs()
    brake: Brake = Brake()
    worker: Worker = Worker()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a process is told from outside, valid as a whole.

    A secret that the process did not ask for (see ``load``) may be empty.
    """

    redis_url: str
    """The ledger's. It may hold a password."""
    broker_url: str
    """Celery's; the ledger's if nothing else was said. It may hold a password."""
    id_key: bytes = SecretBytes()
    """Keys the tag in every correlation id; at least 16 bytes."""
    callback_secret: str = Secret()
    """The part of the receiver's path that nobody can guess."""
    flower_basic_auth: str = Secret()
    """``user:password``."""
    providers: dict[str, Provider] = field(default_factory=dict)
    default_provider: str = ""
    senders: dict[str, Sender] = field(default_factory=dict)
    templates: dict[str, TemplateSettings] = field(default_factory=dict)
    callbacks: Callbacks = field(default_factory=Callbacks)
    logs: Logs = field(default_factory=Logs)
    brake: Brake = field(default_factory=Brake)
    worker: Worker = field(default_factory=Worker)
    warnings: tuple[str, ...] = ()
    """What is allowed but looks wrong, one line each; a process logs them at its start."""

    @property
    def relay_url(self) -> str:
        """Where reports go that are not ours; empty: nowhere."""
        return self.callbacks.relay_url
