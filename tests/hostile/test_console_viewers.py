"""Viewers can exhaust neither streams nor memory of the console, and a forged header logs nobody in."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from console.live.hub import MAX_STREAMS, MAX_STREAMS_OF_USER
from console.sessions import INSECURE_SESSION_COOKIE, log_in
from tests.kit.console import CHEAP, NAMES, PASSWORD, signed
from tests.kit.console_process import ConsoleProcess
from tests.kit.ledger import Ledger
from times_dispatch.console_users import ConsoleUser, write_users
from times_dispatch.demo.local_ports import free_port

pytestmark = [pytest.mark.processes, pytest.mark.alone]

MAX_MB = 300
PROXY = "127.0.0.2"
HEADER = "X-Forwarded-User"
USERS = {name: ConsoleUser(name=name, role=role, password=CHEAP.hash(PASSWORD)) for role, name in NAMES.items()}


@pytest.fixture
def console(tmp_path: Path, redis_url: str) -> Iterator[ConsoleProcess]:
    """A console with a user for each role, which trusts the login header of one proxy."""
    write_users(tmp_path / "console-users.toml", USERS)
    port = free_port()
    table = f"public_url = 'http://127.0.0.1:{port}'\nuser_header = '{HEADER}'\ntrusted_proxies = ['{PROXY}/32']"
    started = ConsoleProcess(tmp_path, redis_url, port=port, table=table)
    with started.running():
        yield started


def _stream(console: ConsoleProcess, *, source: str, user: str) -> socket.socket:
    """Open a stream as a proxy that has logged a user in, without reading from the stream."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(120)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", console.port))
    connection.sendall(f"GET /live/now HTTP/1.1\r\nHost: x\r\n{HEADER}: {user}\r\n\r\n".encode())
    return connection


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc, and has all of 127.0.0.0/8")
async def test_hundreds_of_viewers_that_read_nothing_take_a_bounded_memory_and_leave_room_for_others(
    console: ConsoleProcess, redis: Redis
) -> None:
    ledger = Ledger(redis)
    for number in range(60):  # so that the first event has some hundred kilobytes
        await ledger.submit(3, campaign=f"many{number:04}", name=f"a campaign with a name of some length {number}")
    before = console.peak_mb
    refused = 0
    with ExitStack() as viewers:
        for _ in range(MAX_STREAMS_OF_USER + 50):
            stream = viewers.enter_context(_stream(console, source=PROXY, user="vera"))
            with suppress(TimeoutError):
                refused += stream.recv(12).endswith(b"503")
        # Another person still gets a stream and pages.
        other = viewers.enter_context(_stream(console, source=PROXY, user="omar"))
        answered = other.recv(12)
        page = console.get("/", source=PROXY, headers=[(HEADER, "omar")])
        peak = console.peak_mb
    print(f"{MAX_STREAMS_OF_USER + 50} viewers: {refused} refused, {peak:.0f} MB at most, {before:.0f} before")  # noqa: T201  # the figure
    assert refused >= 50
    assert MAX_STREAMS_OF_USER < MAX_STREAMS
    assert (answered, page) == (b"HTTP/1.1 200", 200)
    assert peak < MAX_MB


@pytest.mark.skipif(sys.platform != "linux", reason="has all of 127.0.0.0/8")
def test_the_header_of_a_login_is_believed_from_the_proxy_only(console: ConsoleProcess) -> None:
    foreign = {
        "another address": console.get("/", headers=[(HEADER, "olga")]),
        "behind a name of the proxy": console.get("/", headers=[(HEADER, "olga"), ("X-Forwarded-For", PROXY)]),
        "with underscores": console.get("/", source=PROXY, headers=[(HEADER.replace("-", "_"), "olga")]),
        "two lines by the proxy": console.get("/", source=PROXY, headers=[(HEADER, "olga"), (HEADER, "vera")]),
        "two names on a line": console.get("/", source=PROXY, headers=[(HEADER, "olga, vera")]),
        "an unknown user": console.get("/", source=PROXY, headers=[(HEADER, "root")]),
        "no user": console.get("/", source=PROXY),
        "a cookie of another secret": console.get("/", headers=[("Cookie", _cookie("another secret of the console"))]),
    }
    own = console.get("/", source=PROXY, headers=[(HEADER, "olga")])
    print(f"statuses: {foreign}, and of the proxy's own user {own}")  # noqa: T201  # the figure
    assert set(foreign.values()) == {303}
    assert own == 200


def _cookie(secret: str) -> str:
    session: dict[str, Any] = {}
    log_in(session, USERS["olga"], now_s=time.time())
    return f"{INSECURE_SESSION_COOKIE}={signed(session, secret=secret)}"
