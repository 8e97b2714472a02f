"""The status of a deployment as values; ``msgspec.to_builtins`` converts the status into JSON."""

from enum import StrEnum

import msgspec

from times_dispatch.ledger.monitoring.alerts import TargetState
from times_dispatch.ledger.monitoring.heartbeats import ProcessSeen
from times_dispatch.ledger.monitoring.memory_history import MemoryPace
from times_dispatch.ledger.reports.forward_backlog import ForwardBacklog
from times_dispatch.ledger.reports.report_backlog import Backlog


class Severity(StrEnum):
    """How serious a finding is."""

    CRITICAL = "critical"
    """Nothing is sent, or data can be lost."""
    WARNING = "warning"
    """A part of the work has stopped, or will stop soon."""
    NOTE = "note"
    """Useful to know; nothing is wrong."""


class StatusFinding(msgspec.Struct, frozen=True):
    """A problem of the deployment, and the remedy."""

    severity: Severity
    problem: str
    to_do: str = ""
    """The remedy; empty if the text of the problem names the remedy, or if nothing has to be done."""


class RedisStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of Redis to INFO; a field has its default if Redis does not report the value."""

    product: str = "Redis"
    version: str = ""
    used_bytes: int = 0
    max_bytes: int = 0
    """The setting maxmemory; 0 is no limit."""
    eviction_policy: str = ""
    appendonly: bool | None = None
    """Whether Redis writes its append-only file."""
    last_write_ok: bool = True
    """Whether the last write to the append-only file succeeded."""
    evicted_keys: int = 0
    replicas: int = 0
    good_replicas: int | None = None
    """The number of replicas that keep up; None while min-replicas-to-write is 0."""
    ahead_s: float = 0.0
    """By how many seconds Redis' clock is ahead of this host's clock; below 0 if Redis' clock is behind."""
    warnings: list[str] = []
    """Warnings about the configuration."""


class KindStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of one kind."""

    kind: str
    alive: list[ProcessSeen]
    silent: list[ProcessSeen]
    """Processes without a recent heartbeat that did not announce their end."""
    last_seen_ms: int
    """When a process of the kind was last seen, in epoch milliseconds; 0 if no process was ever seen."""
    working: str = ""
    """Host and process id of the active process of a kind whose other processes stand by; empty for other kinds, and
    while no process is active.
    """

    @property
    def versions(self) -> list[str]:
        """The versions of the living processes."""
        return sorted({process.record.version for process in self.alive})


class ReportsStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of delivery reports that wait, and of dead letters."""

    backlog: Backlog
    relay_waiting: int
    """The number of posted bodies that wait to be relayed."""
    relay_oldest_s: float = 0.0
    """For how long the oldest body has been waiting to be relayed, in seconds."""
    forward: ForwardBacklog = ForwardBacklog()
    """Reports of our messages that wait to be forwarded."""
    dead_letters: int
    """The number of dead letters that are kept now."""
    dead_letters_ever: int


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A sender or a campaign that sends nothing, or not through its first provider; no field holds a phone number."""

    subject: str
    """``sender TIMESM``, or ``campaign diwali01 (diwali-sale)``."""
    reason: str
    command: str
    """The command that ends the stop; empty if the stop ends by itself."""
    by_person: bool
    """Whether a person stopped the sender or the campaign."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The work of all live campaigns."""

    campaigns: int = 0
    """The number of campaigns that are neither finished nor cancelled."""
    unsent: int = 0
    """The number of messages of these campaigns that are pending or being sent."""
    damaged: list[str] = []
    """Ids of campaigns that cannot be read."""


class DeploymentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment at one moment."""

    at_ms: int
    """The time by this host's clock, in epoch milliseconds."""
    version: str
    """The version of this program."""
    findings: list[StatusFinding]
    """The problems and remedies, the most serious first."""
    redis: RedisStatus | None = None
    """None if Redis is unavailable; then the fields below are empty."""
    kinds: list[KindStatus] = []
    upkeep_since_ms: int | None = None
    """Since when upkeep has run without a gap, by Redis' clock; None if upkeep does not run."""
    queues: dict[str, int] | None = None
    """The number of wake-ups that wait, by queue; None if the broker is unavailable."""
    reports: ReportsStatus | None = None
    stops: list[Stop] = []
    retention_problem: str = ""
    """Why the last run of the retention could not archive or erase everything; empty if the run was complete."""
    work: Work = Work()
    alert_targets: dict[str, TargetState] = {}
    """The states of the targets of alerts, by their names."""
    memory: MemoryPace | None = None

    @property
    def severity(self) -> Severity:
        """The severity of the most serious finding; NOTE if there is none."""
        return self.findings[0].severity if self.findings else Severity.NOTE
