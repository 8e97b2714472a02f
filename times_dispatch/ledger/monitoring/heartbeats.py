"""Heartbeats: each process writes every few seconds that it runs, so that people see which processes run.

A heartbeat is one call of a script, outside of all work on messages. A process continues without heartbeats while Redis
is unavailable. The time of a heartbeat is Redis' time, so clocks of hosts do not matter.

The answer to a heartbeat also says whether a newer version wrote a ledger that this process cannot read; such a process
ends (``schema.py``).
"""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import LEDGER_ERRORS, LedgerNewer
from times_dispatch.ledger.keys import HEARTBEATS, KINDS_SEEN, PROCESSES, PROCESSES_SEEN, HeartbeatField
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.schema import MAJOR, MINOR, ledger_newer
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.unreadable_json import UNREADABLE_JSON

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

EVERY_S: Final = 3.0
"""The time from one heartbeat to the next."""
SILENT_AFTER_S: Final = 15.0
"""A process without a heartbeat for this long is dead, frozen, or cut off from Redis."""
KEPT_S: Final = 120.0
"""How long a process that ended without leaving the list is shown as silent."""
_BEAT_WITHIN_S: Final = 2.0
_DENIED_IN_SCRIPT: Final = "ACL failure in script"
_LEAVE_WITHIN_S: Final = 1.0
_MILLISECONDS: Final = re.compile(rb"-?[0-9]{1,15}")

_MAX_PROCESSES: Final = 1_000
"""How many processes are listed, the newest heartbeats first: a limit, because any program could write heartbeats."""

Figures = Callable[[], Mapping[str, int]]
"""Returns the figures of a process about its current work: their names and values."""


class ProcessKind(StrEnum):
    """The kinds of processes; the values are stored in Redis."""

    WORKER = "worker"
    BEAT = "beat"
    RECEIVER = "receiver"
    RECONCILER = "reconciler"
    FLOWER = "flower"
    LINKS = "links"
    """The server of short links."""
    CONSOLE = "console"
    METRICS = "metrics"
    ALERTS = "alerts"
    """The process that sends alerts to people."""


_RAISE_SCHEMA: Final = frozenset({ProcessKind.WORKER, ProcessKind.RECONCILER, ProcessKind.CONSOLE})
"""The kinds of processes that change the records of the ledger. Other processes, to which anybody may connect, cannot
write the schema of the ledger, because a higher schema would end all processes."""


class HeartbeatRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The information of a process about itself."""

    kind: str
    """A ``ProcessKind``; a text, because a newer version may have other kinds."""
    version: str
    host: str
    pid: int
    started_ms: int
    """When the process started, in epoch milliseconds by the clock of its host."""
    figures: dict[str, int] = {}
    """The figures of the process about its current work."""
    minor: int = 0
    """The minor schema that the process writes; 0 for old versions, which recorded no schema and have no lanes."""


class ProcessSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A process and its last heartbeat."""

    record: HeartbeatRecord
    silent_s: float
    """Seconds since the last heartbeat."""
    ahead_s: float
    """By how many seconds the clock of the host is ahead of Redis' clock; below 0 if it is behind."""

    @property
    def is_alive(self) -> bool:
        """Whether the last heartbeat is recent."""
        return self.silent_s < SILENT_AFTER_S


class ProcessesSeen(msgspec.Struct, frozen=True, kw_only=True):
    """All processes with a heartbeat in the last two minutes, and when each kind was last seen."""

    processes: list[ProcessSeen]
    """By kind, host and process id."""
    kinds_seen_ms: dict[str, int]
    """When a process of each kind was last seen, in epoch milliseconds; a kind that never ran is missing."""

    def alive(self, kind: ProcessKind) -> list[ProcessSeen]:
        """Return the living processes of a kind."""
        return [process for process in self.processes if process.is_alive and process.record.kind == kind]


def program_version() -> str:
    """Return the version of this program."""
    import importlib.metadata  # noqa: PLC0415  # slow to import, and commands that only read heartbeats do without

    return importlib.metadata.version("times-dispatch")


class Heartbeat:
    """The heartbeats of one process."""

    def __init__(
        self,
        redis: Redis,
        kind: ProcessKind,
        *,
        figures: Figures = dict,
        path: str = "",
        every_s: float = EVERY_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make the heartbeats of this process.

        Args:
            redis: the ledger.
            kind: the kind of the process.
            figures: returns the figures of the process; called for each heartbeat.
            path: a file whose modification time is the last heartbeat, also while Redis is unavailable; empty for no
                file. An orchestrator that checks the file restarts a frozen process, but does not restart processes
                because of Redis.
            every_s: seconds from one heartbeat to the next.
            clock: times the waits, and is compared with Redis' clock.
        """
        self._redis = redis
        self._note = Script(redis, "note_heartbeat")
        self._record = HeartbeatRecord(
            kind=kind,
            version=program_version(),
            host=socket.gethostname(),
            pid=os.getpid(),
            started_ms=int(clock.time() * 1000),
            minor=MINOR,
        )
        self._name = f"{kind}:{self._record.host}:{self._record.pid}"
        self._figures = figures
        self._path = Path(path) if path else None
        self._every_s = every_s
        self._clock = clock
        self._is_refused = False

    async def run(self, stop: asyncio.Event) -> None:
        """Send heartbeats until the stop is set, then remove the process from the list.

        Raises:
            LedgerNewer: the ledger has a newer schema than this program can read.
        """
        try:
            while not stop.is_set():
                self._touch()
                await self.beat()
                await self._clock.wait(stop, self._every_s)
        finally:
            await self._leave()

    @asynccontextmanager
    async def running(self, *, on_newer: Callable[[LedgerNewer], None]) -> AsyncIterator[None]:
        """Send heartbeats in the background during a block; *on_newer* is called with the error that ``run`` raises."""

        async def run() -> None:
            try:
                await self.run(asyncio.Event())
            except LedgerNewer as newer:
                on_newer(newer)

        beating = asyncio.create_task(run())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def beat(self) -> None:
        """Send one heartbeat; raise nothing if Redis is unavailable, because the next heartbeat comes soon.

        Raises:
            LedgerNewer: the ledger has a newer schema than this program can read.
        """
        record = msgspec.structs.replace(self._record, figures=dict(self._figures()))
        try:
            async with self._clock.timeout(_BEAT_WITHIN_S):
                reply = await self._note(
                    PROCESSES,
                    kind=record.kind,
                    process=self._name,
                    record=msgspec.json.encode(record),
                    host_ms=int(self._clock.time() * 1000),
                    keep_ms=int(KEPT_S * 1000),
                    major=MAJOR,
                    minor=MINOR,
                    version=record.version,
                    raises=int(record.kind in _RAISE_SCHEMA),
                )
        except LEDGER_ERRORS as error:
            # Redis has one error for a script that is not permitted, and another for a command in a script.
            if isinstance(error, NoPermissionError) or _DENIED_IN_SCRIPT in str(error):
                self._warn_of_refusal()
            else:
                _log().debug("no heartbeat", error=type(error).__name__)
        else:
            if int(reply["newer"]):
                raise ledger_newer(self._redis, major=int(reply["major"]), version=text(reply["version"]))

    def _warn_of_refusal(self) -> None:
        if not self._is_refused:
            _log().warning(
                "heartbeats are refused", to_do="load redis-users.acl of this version", user_of=self._record.kind
            )
        self._is_refused = True

    def _touch(self) -> None:
        if self._path:
            try:
                self._path.touch()
            except OSError as error:
                _log().warning("the file of heartbeats cannot be written", path=str(self._path), error=error.strerror)
                self._path = None

    async def _leave(self) -> None:
        with suppress(*LEDGER_ERRORS):
            async with self._clock.timeout(_LEAVE_WITHIN_S), self._redis.pipeline(transaction=False) as pipe:
                pipe.delete(f"{HEARTBEATS}:{self._name}")
                pipe.zrem(PROCESSES_SEEN, self._name)
                await pipe.execute()


async def read_processes(redis: Redis) -> ProcessesSeen:
    """Return the processes that were seen lately. Raises Redis errors."""
    now_ms = await RedisClock(redis).now_ms()
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zrange(PROCESSES_SEEN, -_MAX_PROCESSES, -1)
        pipe.hgetall(KINDS_SEEN)
        names, kinds = await pipe.execute()
    names = sorted(filter(None, map(_name, names)))
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(f"{HEARTBEATS}:{name}")
        replies: list[dict[bytes, bytes]] = await pipe.execute() if names else []
    processes = [
        process for name, reply in zip(names, replies, strict=True) if (process := _process(name, reply, now_ms))
    ]
    seen_ms = {_name(kind): _milliseconds(moment) for kind, moment in kinds.items()}
    return ProcessesSeen(
        processes=processes, kinds_seen_ms={kind: moment for kind, moment in seen_ms.items() if kind and moment}
    )


async def forget_kind(redis: Redis, kind: ProcessKind) -> bool:
    """Forget when a kind of process was last seen, because people run none of them any more; return whether it ran.

    The next heartbeat of such a process notes the kind again. Raises Redis errors.
    """
    return bool(await redis.hdel(KINDS_SEEN, kind))


def _name(value: bytes) -> str:
    """Return a name as text; empty if the bytes are no text, because any program may have written the name."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return ""


def _milliseconds(value: bytes) -> int:
    """Return a time in milliseconds; 0 if the value is no time."""
    return int(value) if _MILLISECONDS.fullmatch(value) else 0


def _process(name: str, reply: Mapping[bytes, bytes], now_ms: int) -> ProcessSeen | None:
    """Read the hash of a process; None if it has expired, is from another version, or does not match its name."""
    fields = {field: reply.get(field.encode(), b"") for field in HeartbeatField}
    try:
        record = msgspec.json.decode(fields[HeartbeatField.RECORD], type=HeartbeatRecord)
    except UNREADABLE_JSON:
        return None
    seen_ms, ahead_ms = fields[HeartbeatField.SEEN_MS], fields[HeartbeatField.AHEAD_MS]
    are_times = _MILLISECONDS.fullmatch(seen_ms) and _MILLISECONDS.fullmatch(ahead_ms)
    if not are_times or name.partition(":")[0] != record.kind:
        return None
    return ProcessSeen(record=record, silent_s=max(0.0, (now_ms - int(seen_ms)) / 1000), ahead_s=int(ahead_ms) / 1000)


def _log() -> "BoundLogger":
    import structlog  # noqa: PLC0415  # slow to import, and commands only read heartbeats

    logger: BoundLogger = structlog.get_logger(__name__)
    return logger
