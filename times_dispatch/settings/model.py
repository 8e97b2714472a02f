"""The tables of ``dispatch.toml``, and ``Settings``, which every process makes from the tables and the environment."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat

from times_dispatch.provider.description.provider import Provider
from times_dispatch.settings.providers.tables import ProviderSettings
from times_dispatch.settings.tables.alerts import AlertSettings
from times_dispatch.settings.tables.console import ConsoleSettings
from times_dispatch.settings.tables.dead_numbers import DeadNumberSettings
from times_dispatch.settings.tables.links import LinkSettings
from times_dispatch.settings.tables.metrics import MetricsSettings
from times_dispatch.settings.tables.optouts import OptOutSettings
from times_dispatch.settings.tables.recipients import RecipientsSettings
from times_dispatch.settings.tables.retention import RetentionSettings
from times_dispatch.settings.tables.retries import RetrySettings
from times_dispatch.settings.tables.senders import CategorySettings, SenderSettings
from times_dispatch.settings.tables.templates import RegistrySettings, TemplateSettings, check_template_name
from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.addresses import OptionalUrl, check_listen_address, check_network
from times_dispatch.settings.values.durations import check_duration, parse_seconds
from times_dispatch.settings.values.secrets import Secret, SecretBytes
from times_dispatch.sms.rules import headers
from times_dispatch.sms.rules.categories import Category

_NICKNAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


def _check_header(name: str) -> str:
    if problem := headers.problem(name):
        raise ValueError(problem)
    return name


def check_nickname(name: str) -> str:
    """Return the nickname of a provider; raise ``ValueError`` if the nickname has an invalid form."""
    if not _NICKNAME.fullmatch(name):
        raise ValueError("a nickname is a letter, then letters, digits, - or _, at most 32")
    return name


Share = Annotated[FiniteFloat, Field(gt=0, le=1)]


def _check_duration_or_none(text: str) -> str:
    parse_seconds(text, min_s=0)
    return text


Megabytes = Annotated[int, Field(ge=1, le=1_000_000)]


class CallbackSettings(StrictTable):
    """``[callbacks]``: the receiver, the relay of other systems' reports, and the forwarding of our reports."""

    listen: Annotated[str, AfterValidator(check_listen_address)] = "127.0.0.1:8085"
    """The ``host:port`` at which the receiver listens."""
    public_url: OptionalUrl = ""
    """The URL at which the provider reaches the receiver, without the secret part of the path."""
    unknown_secret_503: Annotated[str, AfterValidator(_check_duration_or_none)] = "24h"  # noqa: S105  # a duration
    """After a change of the callback secrets, the receiver answers 503 to an unknown secret for this time, so that the
    provider posts again; then 404. ``0s``: always 404.
    """
    relay_url: OptionalUrl = ""
    """The URL that gets reports of other systems' messages, byte for byte; if empty, such reports become dead
    letters.
    """
    forward_url: OptionalUrl = ""
    """The URL that gets copies of the reports about our messages, in the provider's format; if empty, there are no
    copies.
    """
    forward: list[Literal["reports", "clicks"]] = Field(default=["reports", "clicks"], min_length=1)
    """The reports that ``forward_url`` gets: ``reports`` are delivered, failed and replied; ``clicks`` are the clicks
    on the provider's links and on tracked links.
    """
    max_forward_mb: Megabytes = 256
    """The megabytes of reports that may wait for ``forward_url``; further reports are dropped and counted."""
    max_forward_events: Annotated[int, Field(ge=1, le=100_000_000)] = 1_000_000
    """The number of reports that may wait for ``forward_url``; further reports are dropped and counted."""
    max_forward_age: Annotated[str, AfterValidator(check_duration)] = "3d"
    """How long a report may wait for ``forward_url``; then the report is dropped and counted."""
    max_waiting_mb: Megabytes = 1024
    """The megabytes of reports that may wait for a reconciler; the receiver answers 503 to further reports."""
    max_relay_mb: Megabytes = 512
    """The megabytes of reports that may wait for the relay's host; further reports become dead letters."""
    max_dead_letters_mb: Megabytes = 256
    """The megabytes of each of the four streams of dead letters; the oldest dead letters are deleted for new dead
    letters.
    """
    max_per_address: Annotated[int, Field(ge=1, le=100_000)] = 256
    """The maximum number of connections (behind a trusted proxy, of current requests) of one address at the
    receiver.
    """
    trusted_proxies: list[Annotated[str, AfterValidator(check_network)]] = Field(default=["127.0.0.0/8", "::1"])
    """The addresses or networks of proxies whose header X-Forwarded-For the receiver trusts."""

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The setting ``trusted_proxies`` as networks."""
        return tuple(map(ip_network, self.trusted_proxies))

    @property
    def max_forward_age_s(self) -> int:
        """The setting ``max_forward_age`` in seconds."""
        return parse_seconds(self.max_forward_age)

    @property
    def unknown_secret_503_s(self) -> int:
        """The setting ``unknown_secret_503`` in seconds."""
        return parse_seconds(self.unknown_secret_503, min_s=0)


class LogSettings(StrictTable):
    """``[logs]``: the form and the level of log lines."""

    format: Literal["auto", "json", "console"] = "auto"
    """The form; ``auto`` is ``console`` on a terminal, and ``json`` otherwise."""
    level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def as_json(self) -> bool | None:
        """The format as an argument of ``logs.configure``; with None, the form depends on the stream."""
        return {"auto": None, "json": True, "console": False}[self.format]


class BrakeSettings(StrictTable):
    """``[brake]``: the shares of failures that brake a campaign, and the silence that holds messages back.

    A count of 0 turns a brake off.
    """

    rejected_share: Share = 0.5
    """The share of rejected messages among the last ``rejected_of_last`` pushes."""
    rejected_of_last: Annotated[int, Field(ge=0, le=100_000)] = 200
    failed_share: Share = 0.8
    """The share of undelivered messages among the last ``failed_of_last`` delivery reports."""
    failed_of_last: Annotated[int, Field(ge=0, le=100_000)] = 500
    silence_after: Annotated[str, AfterValidator(check_duration)] = "5m"
    """The shortest time for which delivery reports must be missing before promotional messages are held back. The time
    is longer for senders and providers whose reports usually take longer.
    """

    @property
    def silence_after_s(self) -> int:
        """The setting ``silence_after`` in seconds."""
        return parse_seconds(self.silence_after)


class LedgerSettings(StrictTable):
    """``[ledger]``: the memory of Redis that may be used, and the replicas that must have a write."""

    max_memory_share: Share = 0.9
    """The share of Redis' ``maxmemory`` above which no report and no campaign is accepted."""
    wait_for_replicas: Annotated[int, Field(ge=0, le=10)] = 0
    """The number of replicas that must have stored the opening of messages before the messages are pushed, and a report
    before the receiver acknowledges the report; with 0, processes do not wait.
    """
    replicas_within_s: Annotated[FiniteFloat, Field(ge=0.01, le=0.5)] = 0.2
    """The time, in seconds, within which the replicas must store the data. After this time, messages become pending
    again and are opened later, and reports get 503, so that the provider posts them again.
    """


class WorkerSettings(StrictTable):
    """``[worker]``: the limits of one worker process."""

    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 400
    """The number of pushes that the process makes at the same time."""
    lease_s: Annotated[FiniteFloat, Field(ge=1, le=300)] = 15.0
    """The time, in seconds, after which other workers take the batches of a worker that does not renew its leases."""
    grace_s: Annotated[FiniteFloat, Field(ge=0, le=60)] = 5.0
    """The time, in seconds, within which pushes in flight must end when the process stops."""


class SettingsFile(StrictTable):
    """All tables of ``dispatch.toml``."""

    providers: dict[Annotated[str, AfterValidator(check_nickname)], ProviderSettings]
    senders: dict[Annotated[str, AfterValidator(_check_header)], SenderSettings]
    categories: dict[Category, CategorySettings] = Field(default_factory=dict)
    templates: dict[Annotated[str, AfterValidator(check_template_name)], TemplateSettings] = Field(default_factory=dict)
    registry: RegistrySettings = RegistrySettings()
    optouts: OptOutSettings = OptOutSettings()
    dead_numbers: DeadNumberSettings = DeadNumberSettings()
    retry_failed: RetrySettings = RetrySettings()
    recipients: RecipientsSettings = RecipientsSettings()
    callbacks: CallbackSettings = CallbackSettings()
    links: LinkSettings = LinkSettings()
    metrics: MetricsSettings = MetricsSettings()
    alerts: AlertSettings = AlertSettings()
    retention: RetentionSettings = RetentionSettings()
    console: ConsoleSettings = ConsoleSettings()
    logs: LogSettings = LogSettings()
    brake: BrakeSettings = BrakeSettings()
    worker: WorkerSettings = WorkerSettings()
    ledger: LedgerSettings = LedgerSettings()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a process, from ``dispatch.toml`` and the environment, validated together.

    A secret may be empty if the process does not need the secret (see ``load``).
    """

    redis_url: str
    """The URL of the ledger's Redis, which may contain a password."""
    broker_url: str
    """The URL of Celery's broker, which may contain a password; by default the ledger's Redis."""
    id_key: bytes = SecretBytes()
    """The key that signs correlation ids; at least 16 bytes."""
    old_id_key: bytes = SecretBytes()
    """The earlier key of correlation ids, with which ids are only read. Empty if there is none."""
    link_key: bytes = SecretBytes()
    """The key that signs the codes of tracked links; at least 16 bytes. Empty if there are no tracked links."""
    old_link_key: bytes = SecretBytes()
    """The key that signed the codes of earlier campaigns. Empty if there is none."""
    archive_key: bytes = SecretBytes()
    """The key that wraps the keys of archives; at least 16 bytes. Empty if there is no archive."""
    old_archive_key: bytes = SecretBytes()
    """The key that wrapped the keys of earlier archives. Empty if there is none."""
    forget_key: bytes = SecretBytes()
    """The key of the digests of forgotten numbers; at least 16 bytes. Empty if no number is forgotten."""
    callback_secret: str = Secret()
    """The secret part of the receiver's path."""
    old_callback_secret: str = Secret()
    """The secret part of the earlier path, which still works. Empty if there is none."""
    flower_basic_auth: str = Secret()
    """The login of Flower, ``user:password``."""
    metrics_token: str = Secret()
    """The bearer token of the metrics process; empty if no token is needed."""
    heartbeat_path: str = ""
    """A file that workers, beat and reconcilers touch every few seconds while they work; empty for none."""
    alert_urls: dict[str, Secret] = field(default_factory=dict)
    """The addresses of the targets of alerts, by the names of the targets; a missing address is empty."""
    console_secret: str = Secret()
    """The key that signs the sessions of the console; at least 32 characters."""
    providers: dict[str, Provider] = field(default_factory=dict)
    default_provider: str = ""
    senders: dict[str, SenderSettings] = field(default_factory=dict)
    categories: dict[Category, CategorySettings] = field(default_factory=dict)
    templates: dict[str, TemplateSettings] = field(default_factory=dict)
    """The templates of dispatch.toml and of the registry file."""
    registry_path: Path | None = None
    """The registry file; None if dispatch.toml does not name one."""
    optouts: OptOutSettings = field(default_factory=OptOutSettings)
    dead_numbers: DeadNumberSettings = field(default_factory=DeadNumberSettings)
    retry_failed: RetrySettings = field(default_factory=RetrySettings)
    recipients: RecipientsSettings = field(default_factory=RecipientsSettings)
    callbacks: CallbackSettings = field(default_factory=CallbackSettings)
    links: LinkSettings = field(default_factory=LinkSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    """``[console]``; the path of the users file is relative to the working directory, or absolute."""
    logs: LogSettings = field(default_factory=LogSettings)
    brake: BrakeSettings = field(default_factory=BrakeSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    warnings: tuple[str, ...] = ()
    """One line for each value that is allowed but probably wrong. Each process logs these lines at its start."""

    @property
    def relay_url(self) -> str:
        """The URL that gets reports of other systems' messages; empty if such reports are not relayed."""
        return self.callbacks.relay_url
