"""Processes write heartbeats, and people see which processes run."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.kit.clock import FakeClock
from tests.kit.redis_clock import StoppedClock, stopped_clock
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.errors import LedgerNewer
from times_dispatch.ledger.keys import HEARTBEATS, KINDS_SEEN, PROCESSES_SEEN, SCHEMA
from times_dispatch.ledger.monitoring.heartbeats import (
    EVERY_S,
    KEPT_S,
    SILENT_AFTER_S,
    Heartbeat,
    HeartbeatRecord,
    ProcessKind,
    program_version,
    read_processes,
)
from times_dispatch.ledger.schema import MAJOR, MINOR

START_S = 1_790_000_000


def _unexpected(newer: LedgerNewer) -> None:
    raise AssertionError(newer)


@pytest.fixture
def redis_clock(redis: Redis) -> Iterator[StoppedClock]:
    with stopped_clock(redis) as clock:
        yield clock


async def test_a_heartbeat_tells_what_a_process_is_and_what_it_does(redis: Redis) -> None:
    await Heartbeat(redis, ProcessKind.WORKER, figures=lambda: {"batches": 7}, clock=FakeClock()).beat()
    seen = await read_processes(redis)
    (process,) = seen.alive(ProcessKind.WORKER)
    assert process.record == HeartbeatRecord(
        kind="worker",
        version=program_version(),
        host=socket.gethostname(),
        pid=os.getpid(),
        started_ms=START_S * 1000,
        figures={"batches": 7},
        minor=MINOR,
    )
    assert seen.alive(ProcessKind.BEAT) == []
    assert list(seen.kinds_seen_ms) == ["worker"]


@pytest.mark.parametrize(("silent_s", "is_alive"), [(0, True), (SILENT_AFTER_S - 1, True), (SILENT_AFTER_S, False)])
async def test_a_silent_process_is_dead_after_some_seconds(
    redis: Redis, redis_clock: StoppedClock, silent_s: float, is_alive: bool
) -> None:
    await redis_clock.set(START_S)
    await Heartbeat(redis, ProcessKind.WORKER).beat()
    await redis_clock.set(START_S + silent_s)
    (process,) = (await read_processes(redis)).processes
    assert (process.silent_s, process.is_alive) == (silent_s, is_alive)


async def test_the_clock_of_the_host_is_compared_with_the_clock_of_redis(
    redis: Redis, redis_clock: StoppedClock
) -> None:
    await redis_clock.set(START_S)
    await Heartbeat(redis, ProcessKind.RECEIVER, clock=FakeClock(epoch=START_S + 90)).beat()
    assert [process.ahead_s for process in (await read_processes(redis)).processes] == [90.0]


async def test_a_process_that_stops_is_no_longer_listed_and_its_kind_is_remembered(redis: Redis) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(Heartbeat(redis, ProcessKind.BEAT).run(stop))
    while not (seen := await read_processes(redis)).processes:
        await asyncio.sleep(0.01)
    stop.set()
    await running
    assert await read_processes(redis) == type(seen)(processes=[], kinds_seen_ms=seen.kinds_seen_ms)
    assert list(seen.kinds_seen_ms) == ["beat"]


async def test_heartbeats_run_during_a_block(redis: Redis) -> None:
    async with Heartbeat(redis, ProcessKind.WORKER).running(on_newer=_unexpected):
        while not (await read_processes(redis)).processes:
            await asyncio.sleep(0.01)
    assert (await read_processes(redis)).processes == []


async def test_a_process_that_was_silent_for_two_minutes_is_forgotten(redis: Redis, redis_clock: StoppedClock) -> None:
    await redis_clock.set(START_S)
    heartbeat = Heartbeat(redis, ProcessKind.WORKER)
    await heartbeat.beat()
    name = f"worker:{socket.gethostname()}:{os.getpid()}"
    assert 0 < await redis.pttl(f"{HEARTBEATS}:{name}") <= KEPT_S * 1000
    await redis.zadd(PROCESSES_SEEN, {"worker:elsewhere:1": START_S * 1000 - 1})
    await redis_clock.set(START_S + KEPT_S)
    await heartbeat.beat()
    assert await redis.zrange(PROCESSES_SEEN, 0, -1) == [name.encode()]


async def test_heartbeats_come_every_few_seconds(redis: Redis) -> None:
    clock, calls = FakeClock(), 0

    def figures() -> dict[str, int]:
        nonlocal calls
        calls += 1
        return {}

    heartbeat = Heartbeat(redis, ProcessKind.WORKER, figures=figures, clock=clock)
    running = asyncio.create_task(heartbeat.run(stop := asyncio.Event()))
    for number in (1, 2, 3):
        while calls < number or EVERY_S not in clock.slept[number - 1 :]:
            await asyncio.sleep(0.01)
        assert calls == number
        await clock.advance(EVERY_S)
    stop.set()
    await running


async def test_a_process_goes_on_while_redis_is_unavailable() -> None:
    clock = FakeClock(auto=True)
    async with connect("redis://127.0.0.1:1/0", retries=0) as nowhere:
        with capture_logs() as logs:
            async with Heartbeat(nowhere, ProcessKind.WORKER, clock=clock).running(on_newer=_unexpected):
                while len(clock.slept) < 3:
                    await asyncio.sleep(0.001)
    assert [line for line in logs if line["log_level"] != "debug"] == []


async def test_a_full_redis_takes_heartbeats(redis: Redis) -> None:
    await redis.config_set("maxmemory", 1)
    try:
        await Heartbeat(redis, ProcessKind.WORKER).beat()
    finally:
        await redis.config_set("maxmemory", 0)
    assert len((await read_processes(redis)).processes) == 1


async def test_a_user_without_the_right_to_send_heartbeats_says_so_once(redis: Redis, redis_url: str) -> None:
    await redis.acl_setuser("old", enabled=True, passwords=["+mellon"], commands=["+ping", "+client"])
    port = redis.connection_pool.connection_kwargs["port"]
    try:
        async with connect(f"redis://old:mellon@127.0.0.1:{port}/0") as refused:
            heartbeat = Heartbeat(refused, ProcessKind.FLOWER)
            with capture_logs() as logs:
                await heartbeat.beat()
                await heartbeat.beat()
    finally:
        await redis.acl_deluser("old")
    assert [line["event"] for line in logs] == ["heartbeats are refused"]


async def test_a_user_who_may_not_read_the_schema_is_told_to_load_the_rights_of_this_version(
    redis: Redis, redis_url: str
) -> None:
    rights = [
        "+ping",
        "+client",
        "+evalsha",
        "+script|load",
        "+time",
        "+hset",
        "+pexpire",
        "+zadd",
        "+zremrangebyscore",
    ]
    await redis.acl_setuser("old", enabled=True, passwords=["+mellon"], commands=rights, keys=["{processes}*"])
    port = redis.connection_pool.connection_kwargs["port"]
    try:
        async with connect(f"redis://old:mellon@127.0.0.1:{port}/0") as refused:
            with capture_logs() as logs:
                await Heartbeat(refused, ProcessKind.RECEIVER).beat()
    finally:
        await redis.acl_deluser("old")
    assert [line["to_do"] for line in logs] == ["load redis-users.acl of this version"]


async def test_heartbeats_end_when_the_ledger_is_newer_than_the_program(redis: Redis) -> None:
    heartbeat, ended = Heartbeat(redis, ProcessKind.WORKER), list[LedgerNewer]()
    async with heartbeat.running(on_newer=ended.append):
        while not (await read_processes(redis)).processes:
            await asyncio.sleep(0.01)
    await redis.hset(SCHEMA, mapping={"major": MAJOR + 1, "minor": 0, "version": "9.0"})
    async with heartbeat.running(on_newer=ended.append):
        while not ended:
            await asyncio.sleep(0.01)
    assert f"the ledger has schema {MAJOR + 1}, written by times-dispatch 9.0" in str(ended[0])
    assert (await read_processes(redis)).processes == []


async def test_a_record_of_another_version_that_cannot_be_read_is_left_out(redis: Redis) -> None:
    await redis.zadd(PROCESSES_SEEN, {"worker:old:1": 1, "worker:old:2": 2})
    await redis.hset(f"{HEARTBEATS}:worker:old:1", mapping={"record": "[]", "seen_ms": "1", "ahead_ms": "0"})
    await redis.hset(KINDS_SEEN, "worker", "5")
    seen = await read_processes(redis)
    assert (seen.processes, seen.kinds_seen_ms) == ([], {"worker": 5})


async def test_the_file_of_heartbeats_is_touched_also_while_redis_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    clock = FakeClock(auto=True)
    stop = asyncio.Event()
    async with connect("redis://127.0.0.1:1", max_connections=1) as nowhere:
        running = asyncio.create_task(Heartbeat(nowhere, ProcessKind.WORKER, path=str(path), clock=clock).run(stop))
        try:
            async with asyncio.timeout(120):
                while not path.exists():
                    await asyncio.sleep(0.01)
                os.utime(path, (START_S, START_S))
                while path.stat().st_mtime == START_S:
                    await asyncio.sleep(0.01)
        finally:
            stop.set()
            await running


async def test_a_file_of_heartbeats_that_cannot_be_written_is_said_once(redis: Redis, tmp_path: Path) -> None:
    clock = FakeClock()
    stop = asyncio.Event()
    heartbeat = Heartbeat(redis, ProcessKind.WORKER, path=str(tmp_path / "missing" / "heartbeat"), clock=clock)
    with capture_logs() as logs:
        running = asyncio.create_task(heartbeat.run(stop))
        for number in range(3):
            while len(clock.slept) <= number:
                await asyncio.sleep(0.001)
            await clock.advance(EVERY_S)
        stop.set()
        await clock.advance(EVERY_S)
        await running
    assert [entry["event"] for entry in logs].count("the file of heartbeats cannot be written") == 1
