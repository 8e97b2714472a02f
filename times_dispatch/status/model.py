"""The status of a deployment as values; ``msgspec.to_builtins`` makes JSON of it."""

from enum import StrEnum

import msgspec

from times_dispatch.ledger.alerts import TargetState
from times_dispatch.ledger.forward_backlog import ForwardBacklog
from times_dispatch.ledger.heartbeats import ProcessSeen
from times_dispatch.ledger.memory_history import MemoryPace
from times_dispatch.ledger.report_backlog import Backlog


class Severity(StrEnum):
    """How serious a finding is."""

    CRITICAL = "critical"
    """Nothing is sent, or data can be lost."""
    WARNING = "warning"
    """Something stands still, or soon will."""
    NOTE = "note"
    """Worth knowing; nothing is wrong."""


class StatusFinding(msgspec.Struct, frozen=True):
    """Something that is wrong, and what to do."""

    severity: Severity
    problem: str
    to_do: str = ""
    """What to do; empty if the problem names it, or if nothing is to be done."""


class RedisStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis tells about itself; the defaults stand where Redis does not tell."""

    product: str = "Redis"
    version: str = ""
    used_bytes: int = 0
    max_bytes: int = 0
    """The setting maxmemory; 0 is no limit."""
    eviction_policy: str = ""
    appendonly: bool | None = None
    """Whether Redis writes its append-only file."""
    last_write_ok: bool = True
    """Whether the last write to that file succeeded."""
    evicted_keys: int = 0
    replicas: int = 0
    good_replicas: int | None = None
    """Replicas that keep up; None while min-replicas-to-write is 0."""
    ahead_s: float = 0.0
    """By how many seconds Redis' clock is ahead of this host's; below 0 if it is behind."""
    warnings: list[str] = []
    """Warnings about the configuration."""


class KindStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of one kind."""

    kind: str
    alive: list[ProcessSeen]
    silent: list[ProcessSeen]
    """Processes that have not been seen for some seconds, and did not say that they stop."""
    last_seen_ms: int
    """When a process of the kind was last seen, in epoch milliseconds; 0 if none ever was."""
    working: str = ""
    """Host and process id of the only process of the kind that works while the others stand by; empty for kinds of
    which all work, and while none works."""

    @property
    def versions(self) -> list[str]:
        """The versions of the living processes."""
        return sorted({process.record.version for process in self.alive})


class ReportsStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Delivery reports on their way."""

    backlog: Backlog
    relay_waiting: int
    """Posted bodies that wait to be relayed."""
    relay_oldest_s: float = 0.0
    """For how long the oldest of these bodies has been waiting, in seconds."""
    forward: ForwardBacklog = ForwardBacklog()
    """Reports of our messages that wait to be forwarded."""
    dead_letters: int
    """Dead letters that are kept now."""
    dead_letters_ever: int


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A sender or a campaign that sends nothing, or not through its first provider."""

    subject: str
    """``sender TIMESM``, or ``campaign diwali01 (diwali-sale)``."""
    reason: str
    command: str
    """The command that ends the stop; empty if the stop ends by itself."""
    by_person: bool
    """Whether a person stopped it."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent."""

    campaigns: int = 0
    """Campaigns that are neither finished nor cancelled."""
    unsent: int = 0
    """Their messages that are pending or being sent."""
    damaged: list[str] = []
    """Ids of campaigns that cannot be read."""


class DeploymentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment at one moment."""

    at_ms: int
    """The time by this host's clock, in epoch milliseconds."""
    version: str
    """The version of this program."""
    findings: list[StatusFinding]
    """What is wrong and what to do, the most serious first."""
    redis: RedisStatus | None = None
    """None if Redis is unavailable; then all that follows is empty."""
    kinds: list[KindStatus] = []
    upkeep_since_ms: int | None = None
    """Since when upkeep runs without a gap, by Redis' clock; None if it does not run."""
    queues: dict[str, int] | None = None
    """How many wake-ups wait, by queue; None if the broker is unavailable."""
    reports: ReportsStatus | None = None
    stops: list[Stop] = []
    retention_problem: str = ""
    """Why the last run of the retention could not archive or erase everything; empty if it could."""
    work: Work = Work()
    alert_targets: dict[str, TargetState] = {}
    """Whether the targets of alerts can be reached, by their names."""
    memory: MemoryPace | None = None

    @property
    def severity(self) -> Severity:
        """The severity of the most serious finding; NOTE if there is none."""
        return self.findings[0].severity if self.findings else Severity.NOTE
