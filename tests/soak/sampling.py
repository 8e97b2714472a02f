"""Samples of values that must not grow: memory, files and connections of processes; keys and clients of Redis."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos.testbed import REDIS, ChaosTestbed
from tests.soak.key_kinds import CAMPAIGN, STUB, kind_of
from tests.soak.trend import Point
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import (
    DEAD_LETTERS,
    FOREIGN_DEAD_LETTERS,
    LONG_DEAD_LETTERS,
    RECONCILERS,
    RELAY,
    REPORTS,
    CampaignField,
)

_PROCESSES_EVERY_S = 5.0
_KEYS_EVERY_S = 30.0
_SCANNED_AT_ONCE = 500
_INBOUND_EVERY_S = 1.0
_MB = 1e6
STREAMS = (REPORTS, RELAY, DEAD_LETTERS, FOREIGN_DEAD_LETTERS, LONG_DEAD_LETTERS)


class ProcessSample(NamedTuple):
    """The resources that one process used at one moment."""

    at_s: float
    """Seconds since the run began."""
    pid: int
    age_s: float
    pss_mb: float
    """Proportional set size (PSS) of the process and its children, in 10**6 bytes."""
    handles: int
    """Open file descriptors without those of ``inbound``."""
    connections: int
    """Established TCP connections that the process opened."""
    inbound: int
    """Established TCP connections that clients opened to the process. Each ends when its client closes it: once the
    client has closed it, a connection is no longer established, and counts as a file descriptor until the process
    closes it too.
    """
    threads: int


class KeySample(NamedTuple):
    """The keys of Redis at one moment, by their kind."""

    at_s: float
    keys: Counter[str]
    bytes: Counter[str]
    used_bytes: int
    """The memory that Redis uses, as Redis reports it, in bytes."""


class Sampler:
    """Takes samples until ``stop``."""

    def __init__(self, testbed: ChaosTestbed) -> None:
        self._testbed = testbed
        self._stopped = asyncio.Event()
        self._began = time.monotonic()
        self.processes: defaultdict[str, list[ProcessSample]] = defaultdict(list)
        """Samples by the name of the process; Redis is one of the processes."""
        self.redis: defaultdict[str, list[Point]] = defaultdict(list)
        """Series of figures of Redis, by the name of the figure."""
        self.keys: list[KeySample] = []

    @property
    def now_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def stop(self) -> None:
        """Let ``run`` end before its next sample."""
        self._stopped.set()

    async def run(self) -> None:
        """Take samples until ``stop``; raise ``ProcessFailed`` if a process has ended by itself."""
        redis = connect(self._testbed.stack.redis.url, socket_timeout_s=5.0, retries=0)
        keys_at = 0.0
        try:
            while not self._stopped.is_set():
                self._testbed.check()
                self._sample_processes()
                # Without an answer, because Redis is killed, frozen or slow, there is no sample.
                with suppress(RedisError, OSError):
                    await self._sample_redis(redis)
                    if self.now_s >= keys_at:
                        self.keys.append(await sample_keys(redis, self.now_s))
                        keys_at = self.now_s + _KEYS_EVERY_S
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), _PROCESSES_EVERY_S)
        finally:
            await redis.aclose()

    def _sample_processes(self) -> None:
        pids = {name: process.pid for name, process in self._testbed.stack.processes.items() if process.running}
        pids[REDIS] = self._testbed.stack.redis.pid
        for name, pid in pids.items():
            if pid and name not in self._testbed.down and (sample := sample_process(pid, self.now_s)):
                self.processes[name].append(sample)

    async def _sample_redis(self, redis: Redis) -> None:
        info: dict[str, Any] = await redis.info()
        now_s = self.now_s
        self.redis["used memory, MB"].append((now_s, info["used_memory"] / _MB))
        self.redis["connected clients"].append((now_s, info["connected_clients"]))
        self.redis["keys"].append((now_s, await redis.dbsize()))
        for stream in STREAMS:
            self.redis[f"stream {stream}"].append((now_s, await redis.xlen(stream)))
        groups = {group["name"]: group for group in await redis.xinfo_groups(REPORTS)}
        consumers = groups.get(RECONCILERS.encode(), {}).get("consumers", 0)
        self.redis["consumers of the stream reports"].append((now_s, consumers))


def sample_process(pid: int, at_s: float) -> ProcessSample | None:
    """Return the resources that a process uses; None if the process has ended."""
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
        sockets = [socket for member in members for socket in member.net_connections("tcp")]
        ports = {socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN}
        established = [socket for socket in sockets if socket.status == psutil.CONN_ESTABLISHED]
        inbound = sum(socket.laddr.port in ports for socket in established)
        return ProcessSample(
            at_s=at_s,
            pid=pid,
            age_s=time.time() - process.create_time(),
            pss_mb=sum(_pss(member.pid) for member in members) / _MB,
            handles=sum(member.num_fds() for member in members) - inbound,
            connections=len(established) - inbound,
            inbound=inbound,
            threads=sum(member.num_threads() for member in members),
        )
    except (psutil.Error, OSError):
        return None


async def inbound_at_rest(pids: Collection[int], *, within_s: float) -> int:
    """Return how many connections processes hold although their clients are idle or gone.

    Args:
        pids: the processes.
        within_s: how long to wait until clients and processes have closed the idle connections.
    """
    ends = time.monotonic() + within_s
    while True:
        held = sum(sample.inbound for pid in pids if (sample := sample_process(pid, 0.0)))
        if not held or time.monotonic() > ends:
            return held
        await asyncio.sleep(_INBOUND_EVERY_S)


def _pss(pid: int) -> int:
    """Return the proportional set size (PSS) of a process, in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


async def sample_keys(redis: Redis, at_s: float) -> KeySample:
    """Count all keys and their bytes, by kind."""
    keys, sizes = Counter[str](), Counter[str]()
    used_bytes = (await redis.info("memory"))["used_memory"]
    cursor = 0
    while True:
        cursor, found = await redis.scan(cursor, count=_SCANNED_AT_ONCE)
        for kind, size in await _kinds_and_sizes(redis, cast("list[bytes]", found)):
            keys[kind] += 1
            sizes[kind] += size
        if not cursor:
            return KeySample(at_s, keys, sizes, used_bytes)


async def _kinds_and_sizes(redis: Redis, names: list[bytes]) -> Iterator[tuple[str, int]]:
    kinds = [kind_of(name.decode("utf-8", "replace")) for name in names]
    pipe = redis.pipeline(transaction=False)
    for name, kind in zip(names, kinds, strict=True):
        pipe.memory_usage(name, samples=20)
        if kind == CAMPAIGN:
            pipe.hget(name, CampaignField.ARCHIVE)
    replies = iter(await pipe.execute() if names else [])
    rows = []
    for kind in kinds:
        size = next(replies) or 0  # None means that the key has expired meanwhile
        is_stub = kind == CAMPAIGN and next(replies) in (b"archived", b"erased")
        rows.append((STUB if is_stub else kind, size))
    return iter(rows)
