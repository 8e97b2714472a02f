"""What ``dispatch.toml`` may say, table by table, and the Settings that processes start from."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat

from times_dispatch.provider.description.provider import Provider
from times_dispatch.settings.addresses import OptionalUrl, check_listen_address
from times_dispatch.settings.optouts import OptOutSettings
from times_dispatch.settings.providers.tables import ProviderSettings
from times_dispatch.settings.secrets import Secret, SecretBytes
from times_dispatch.settings.senders import CategorySettings, Sender
from times_dispatch.settings.strict_table import StrictTable
from times_dispatch.settings.templates import Registry, TemplateSettings, check_template_name
from times_dispatch.sms.rules import headers
from times_dispatch.sms.rules.categories import Category

_NICKNAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


def _header(name: str) -> str:
    if problem := headers.problem(name):
        raise ValueError(problem)
    return name


def nickname(name: str) -> str:
    """Take the nickname of a provider; raise ValueError otherwise."""
    if not _NICKNAME.fullmatch(name):
        raise ValueError("a nickname is a letter, then letters, digits, - or _, at most 32")
    return name


Share = Annotated[FiniteFloat, Field(gt=0, le=1)]


class Callbacks(StrictTable):
    """``[callbacks]``: where delivery reports come in, and where those that are not ours go."""

    listen: Annotated[str, AfterValidator(check_listen_address)] = "127.0.0.1:8085"
    """``host:port`` of the receiver."""
    public_url: OptionalUrl = ""
    """What the provider reaches the receiver by, without the secret part of the path."""
    relay_url: OptionalUrl = ""
    """Reports of messages that another system sent go here, in their original bytes; empty: they are set aside."""


class Logs(StrictTable):
    """``[logs]``."""

    format: Literal["auto", "json", "console"] = "auto"
    """``auto`` is ``console`` on a terminal and ``json`` elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def as_json(self) -> bool | None:
        """The format as ``logs.configure`` takes it; None leaves it to the stream."""
        return {"auto": None, "json": True, "console": False}[self.format]


class Brake(StrictTable):
    """``[brake]``: how bad it may get before a campaign stops itself; a count of 0 turns that brake off."""

    rejected_share: Share = 0.5
    rejected_of_last: Annotated[int, Field(ge=0, le=100_000)] = 200
    failed_share: Share = 0.8
    failed_of_last: Annotated[int, Field(ge=0, le=100_000)] = 500


class Worker(StrictTable):
    """``[worker]``: one worker process."""

    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 400
    """Pushes under way at once."""
    lease_s: Annotated[FiniteFloat, Field(ge=1, le=300)] = 15.0
    """A worker that has not been heard of for so long loses its batches to others."""
    grace_s: Annotated[FiniteFloat, Field(ge=0, le=60)] = 5.0
    """What pushes in flight get to end when the process is told to stop."""


class SettingsFile(StrictTable):
    """The whole of ``dispatch.toml``."""

    providers: dict[Annotated[str, AfterValidator(nickname)], ProviderSettings]
    senders: dict[Annotated[str, AfterValidator(_header)], Sender]
    categories: dict[Category, CategorySettings] = Field(default_factory=dict)
    templates: dict[Annotated[str, AfterValidator(check_template_name)], TemplateSettings] = Field(default_factory=dict)
    registry: Registry = Registry()
    optouts: OptOutSettings = OptOutSettings()
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
    categories: dict[Category, CategorySettings] = field(default_factory=dict)
    templates: dict[str, TemplateSettings] = field(default_factory=dict)
    """Those of dispatch.toml and those of the registry file."""
    registry_path: Path | None = None
    """The registry file, if dispatch.toml names one."""
    optouts: OptOutSettings = field(default_factory=OptOutSettings)
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
