"""The Redis user of an exposed process can neither end other processes nor hide them from people."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from tests.kit.redis_users import server_with_users
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import ALERT_TARGETS, HEARTBEATS, KINDS_SEEN, PROCESSES_SEEN
from times_dispatch.ledger.monitoring.alerts import read_target_states
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind, read_processes
from times_dispatch.ledger.schema import refuse_newer_ledger
from times_dispatch.status.reader import read_status

pytestmark = pytest.mark.processes

EXPOSED = ("beat", "receiver", "links", "metrics", "alerts", "flower")
"""The Redis users of processes that do not manage the ledger."""
NAMES = 20_000
MAX_READ_S = 0.5


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with server_with_users() as running:
        yield running


async def _no_queues() -> dict[str, int]:
    return {}


@pytest.mark.parametrize("user", EXPOSED)
async def test_an_exposed_user_cannot_end_other_processes_or_stop_upkeep(server: EmbeddedServer, user: str) -> None:
    writes = [
        ("HSET", "{processes}:schema", "major", "999"),
        ("DEL", "{processes}:schema"),
        ("HSET", f"{HEARTBEATS}:worker:web1:71", "record", "{}"),
        ("DEL", f"{HEARTBEATS}:worker:web1:71"),
        ("HSET", "{processes}:memory", "1", "1"),
        *([] if user == "beat" else [("HSET", "{processes}:beat", "token", "999")]),
    ]
    refused = 0
    with Redis(port=server.port, username=user, password="mellon") as redis:
        for write in writes:
            try:
                redis.execute_command(*write)
            except NoPermissionError:
                refused += 1
        script = redis.script_load("return redis.call('HSET', KEYS[1] .. ':schema', 'major', 999)")
        with pytest.raises(Exception, match=r"(?i)permission"):
            redis.evalsha(script, 1, "{processes}")
    print(f"{user}: {refused} of {len(writes)} writes are refused")  # noqa: T201
    assert refused == len(writes)
    async with connect(f"redis://{user}:mellon@127.0.0.1:{server.port}/0") as redis:
        await Heartbeat(redis, ProcessKind(user)).beat()
    async with connect(server.url) as redis:
        await refuse_newer_ledger(redis)
        assert len((await read_processes(redis)).alive(ProcessKind(user))) == 1


RECORD = {"kind": "links", "version": "1", "host": "web1", "pid": 1, "started_ms": 1}
HOSTILE: dict[str, dict[Any, Any]] = {
    "nothing": {b"x": b"y"},
    "no JSON": {b"record": b"\xff", b"seen_ms": b"1", b"ahead_ms": b"1"},
    "a deep document": {b"record": b"[" * 100_000, b"seen_ms": b"1", b"ahead_ms": b"1"},
    "another kind": {b"record": json.dumps({**RECORD, "kind": "worker"}).encode(), b"seen_ms": b"1", b"ahead_ms": b"1"},
    "a time of many digits": {b"record": json.dumps(RECORD).encode(), b"seen_ms": b"9" * 500, b"ahead_ms": b"1"},
    "no difference": {b"record": json.dumps(RECORD).encode(), b"seen_ms": b"1", b"ahead_ms": b"x"},
    "no text": {b"\xff": b"\xff"},
}


async def test_hostile_heartbeats_are_left_out_and_everybody_still_sees_the_others(server: EmbeddedServer) -> None:
    async with connect(server.url) as redis, connect(f"redis://links:mellon@127.0.0.1:{server.port}/0") as links:
        await redis.flushall()
        await Heartbeat(redis, ProcessKind.WORKER).beat()
        late = time.time() * 1000
        for name, fields in HOSTILE.items():
            await links.hset(f"{HEARTBEATS}:links:{name}", mapping=fields)
            await links.zadd(PROCESSES_SEEN, {f"links:{name}": late})
        await links.zadd(PROCESSES_SEEN, {b"\xff": late})
        for kind, moment in ((b"a", b"x"), (b"b", b"9" * 500), (b"\xff", b"1"), (b"", b"1")):
            await links.hset(KINDS_SEEN, kind, moment)
        seen = await read_processes(redis)
        status = await read_status(redis, _no_queues)
        print(f"{len(HOSTILE)} hostile heartbeats: {len(seen.processes) - 1} are listed")  # noqa: T201
    assert [process.record.kind for process in seen.processes] == ["worker"]
    assert list(seen.kinds_seen_ms) == ["worker"]
    assert status.redis is not None


async def test_many_names_of_processes_take_bounded_time(server: EmbeddedServer) -> None:
    async with connect(server.url) as redis, connect(f"redis://links:mellon@127.0.0.1:{server.port}/0") as links:
        await redis.flushall()
        for first in range(0, NAMES, 1_000):
            await links.zadd(
                PROCESSES_SEEN, {f"links:web{number}:1": 1 + number for number in range(first, first + 1_000)}
            )
        await Heartbeat(redis, ProcessKind.WORKER).beat()
        await links.zadd(PROCESSES_SEEN, {f"links:web{number}:1": 1 + number for number in range(NAMES)})
        began = time.process_time()
        seen = await read_processes(redis)
        took_s = time.process_time() - began
    print(f"{NAMES:,} names of processes: {took_s:.3f} s of CPU")  # noqa: T201
    assert len(seen.alive(ProcessKind.WORKER)) == 1
    assert took_s < MAX_READ_S


async def test_states_of_targets_that_are_no_text_are_left_out(server: EmbeddedServer) -> None:
    async with connect(server.url) as redis, connect(f"redis://alerts:mellon@127.0.0.1:{server.port}/0") as alerts:
        await redis.flushall()
        for name, state in ((b"\xff", b"{}"), (b"a", b"\xff"), (b"b", b"[" * 100_000), (b"c", b"{}")):
            await alerts.hset(ALERT_TARGETS, name, state)
        states = await read_target_states(redis)
    print(f"4 hostile states of targets: {len(states) - 1} are read")  # noqa: T201
    assert list(states) == ["c"]
