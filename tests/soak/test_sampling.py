"""The samples of keys and of processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from redis.asyncio import Redis

from tests.soak.key_kinds import CAMPAIGN, STUB
from tests.soak.sampling import ProcessSample, inbound_at_rest, sample_keys, sample_process

_MANY = 100


async def test_keys_are_counted_by_their_kind_and_stubs_apart_from_campaigns(redis: Redis) -> None:
    for number in range(1_200):
        await redis.set(f"{{SOAKA}}:c:diwali01:m:{number}", b"x" * 100)
    await redis.hset("{SOAKA}:c:diwali01", mapping={"state": "running"})
    await redis.hset("{SOAKA}:c:diwali02", mapping={"archive": "archived"})
    await redis.hset("{SOAKA}:c:diwali03", mapping={"archive": "erased"})
    sample = await sample_keys(redis, 7.0)
    assert sample.at_s == 7.0
    assert sample.keys == {f"{CAMPAIGN}:m:#": 1_200, CAMPAIGN: 1, STUB: 2}
    assert sample.bytes[f"{CAMPAIGN}:m:#"] > 120_000
    assert sample.used_bytes > sum(sample.bytes.values())


async def test_a_redis_without_keys_has_none(redis: Redis) -> None:
    assert (await sample_keys(redis, 0.0)).keys == {}


def test_a_process_is_measured_and_one_that_has_ended_is_left_out() -> None:
    before = sample_process(os.getpid(), 1.0)
    assert before
    with ExitStack() as files:
        for _ in range(_MANY):
            files.enter_context(open(os.devnull, "rb"))  # noqa: PTH123
        during = sample_process(os.getpid(), 2.0)
    assert during
    # Files and sockets that other tests left open are closed meanwhile, so the increase may be smaller.
    assert during.handles > before.handles + _MANY // 2
    assert during.pid == os.getpid()
    assert during.pss_mb > 1
    assert during.age_s > 0
    assert sample_process(2**22 + 1, 3.0) is None


_SERVER = """
import socket, sys
opened = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
server, accepted = socket.create_server(("127.0.0.1", 0)), []
print(server.getsockname()[1], flush=True)
while True:
    accepted.append(server.accept()[0])
    print("accepted", flush=True)
"""
"""A server that opens one connection, to the port of its argument, and accepts connections that it never closes."""


@contextmanager
def _leaking_server() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the server; yield its process and its port."""
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(other.getsockname()[1])], stdout=subprocess.PIPE
        ) as server,
    ):
        assert server.stdout
        try:
            yield server, int(server.stdout.readline())
        finally:
            server.kill()


def _sample(pid: int) -> ProcessSample:
    sample = sample_process(pid, 1.0)
    assert sample
    return sample


@pytest.mark.processes
async def test_inbound_connections_are_counted_apart_and_as_files_once_their_clients_have_closed_them() -> None:
    with _leaking_server() as (server, port):
        before = _sample(server.pid)
        with ExitStack() as clients:
            for _ in range(_MANY):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
                assert server.stdout
                server.stdout.readline()
            during = _sample(server.pid)
            assert await inbound_at_rest([server.pid], within_s=0.0) == _MANY
        after = _sample(server.pid)
        assert await inbound_at_rest([server.pid], within_s=5.0) == 0
    assert (before.inbound, during.inbound, after.inbound) == (0, _MANY, 0)
    assert (during.handles, during.connections) == (before.handles, before.connections) == (before.handles, 1)
    assert after.handles == before.handles + _MANY
