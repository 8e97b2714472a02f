"""Strangers, who cannot log in, can exhaust neither Flower's memory nor its connections nor its log."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.kit.process_memory import peak_mb
from tests.kit.producers import SETTINGS
from tests.kit.watched import least_stall_ms
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.stack import flower_command

pytestmark = [pytest.mark.processes, pytest.mark.alone]

MAX_MB = 300
MAX_STALL_MS = 50
_MIB = 1024 * 1024

_FORM = (
    b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n"
    b"Content-Type: multipart/form-data; boundary=of-a-stranger\r\n\r\na=b"
)


@pytest.fixture
def flower(tmp_path: Path, redis_url: str) -> Iterator[tuple[Process, int]]:
    port = free_port()
    environment = {
        **clean_environment(),
        "PYTHONPATH": ":".join(sys.path),
        "DISPATCH_REDIS_URL": redis_url,
        "DISPATCH_FLOWER_BASIC_AUTH": "somebody:a-password",
    }
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    python, _, module, *options = flower_command(port)
    command = [python, "-m", "tests.kit.watched", module, str(tmp_path / "flower.figures"), *options]
    process = Process("flower", command, environment=environment, folder=tmp_path)
    process.start()
    try:
        deadline = time.monotonic() + 120
        while not _is_healthy(port):
            process.check()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield process, port
    finally:
        process.stop()


def _is_healthy(port: int) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/healthcheck", timeout=30, trust_env=False).status_code == 200
    return False


_HEAD = b"GET /login HTTP/1.1\r\nHost: x\r\n"
_FIELDS = b"".join(b"X%d: a\r\n" % number for number in range(850))
_FORM_FIELDS = b"&".join(b"%d=1" % number for number in range(8_000))
BURSTS = {
    "requests": (900, (_HEAD + b"\r\n") * 3),
    "pipelined requests": (100, (_HEAD + b"\r\n") * 200),
    "heads of many fields": (100, _HEAD + _FIELDS + b"\r\n"),
    "long forms": (
        100,
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(_FORM_FIELDS), _FORM_FIELDS),
    ),
    "tiny chunks": (
        100,
        b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 8_000,
    ),
}
"""For each kind of input, the number of connections and the bytes that each sends at one moment."""


def _stall_ms(process: Process) -> float:
    """Return the longest stall since the last call."""
    figures = process.log.with_name("flower.figures")
    stall_ms = float(figures.read_text() or 0) if figures.exists() else 0.0
    figures.unlink(missing_ok=True)
    return stall_ms


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=120)


@pytest.mark.parametrize("what", BURSTS)
async def test_many_connections_that_send_at_one_moment_are_served_in_turns(
    flower: tuple[Process, int], what: str
) -> None:
    process, port = flower
    count, data = BURSTS[what]

    def attack() -> float:
        with ExitStack() as stack:
            connections = [stack.enter_context(_connect(port)) for _ in range(count)]
            assert _is_healthy(port)
            _stall_ms(process)
            os.kill(process.pid, signal.SIGSTOP)  # all bytes arrive before Flower reads
            for connection in connections:
                connection.setblocking(False)
                with suppress(OSError):
                    connection.send(data)
            os.kill(process.pid, signal.SIGCONT)
            for connection in connections:
                connection.settimeout(120)
                with suppress(ConnectionResetError):
                    connection.recv(1)
        stall_ms = _stall_ms(process)
        print(f"{what} of {count} connections at one moment: {stall_ms:.0f} ms of stall at most")  # noqa: T201  # the figure
        assert stall_ms > 0
        return stall_ms

    assert await least_stall_ms(attack, max_ms=MAX_STALL_MS) < MAX_STALL_MS
    assert _is_healthy(port)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
async def test_half_heads_close_the_oldest_connections_and_keep_nobody_out(flower: tuple[Process, int]) -> None:
    process, port = flower

    def attack() -> float:
        _stall_ms(process)
        with ExitStack() as stack:
            connections = [stack.enter_context(_connect(port)) for _ in range(1_500)]
            for connection in connections:
                with suppress(OSError):
                    connection.sendall(_HEAD + b"X: ")
            assert _is_healthy(port)
            with suppress(ConnectionResetError):
                assert connections[0].recv(1) == b""
        assert _is_healthy(port)
        return _stall_ms(process)

    stall_ms, peak = await least_stall_ms(attack, max_ms=MAX_STALL_MS), peak_mb(process.pid)
    print(f"1,500 half heads: {peak:.0f} MB at most, {stall_ms:.0f} ms of stall at most")  # noqa: T201  # the figure
    assert stall_ms < MAX_STALL_MS
    assert peak < MAX_MB


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
@pytest.mark.parametrize("field", [b"Content-Length: 99000000", b"Transfer-Encoding: chunked"])
def test_bodies_of_people_without_a_login_take_no_memory(flower: tuple[Process, int], field: bytes) -> None:
    process, port = flower
    piece = b"10000\r\n" + b"a" * 65_536 + b"\r\n" if b"chunked" in field else b"a" * 65_536
    before, sent = peak_mb(process.pid), 0
    with ExitStack() as connections:
        for _ in range(8):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            with suppress(OSError):
                connection.sendall(b"POST /api/task/apply/x HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % field)
                for _ in range(20 * _MIB // len(piece)):
                    connection.sendall(piece)
                    sent += len(piece)
        peak = peak_mb(process.pid)
    print(f"{field!r}: {sent:,} bytes sent, {peak:.0f} MB at most, {before:.0f} MB before")  # noqa: T201  # the figure
    assert peak < min(MAX_MB, before + 50)
    assert _is_healthy(port)


def test_a_static_path_with_a_null_character_is_not_found_and_leaves_no_traceback(
    flower: tuple[Process, int],
) -> None:
    process, port = flower
    response = httpx.get(f"http://127.0.0.1:{port}/static/%00", timeout=30, trust_env=False)
    assert response.status_code == 404
    assert "Traceback" not in process.log_tail(100)
    assert "Uncaught" not in process.log_tail(100)


def test_refused_requests_write_few_log_lines_without_their_text(flower: tuple[Process, int]) -> None:
    process, port = flower
    before = process.log.read_text().count("\n")
    requests = [
        b"GET /static/../../../of-a-stranger HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"of-a-stranger\r\n\r\n",
        b"GET /of-a-stranger HTTP/1.1\r\nHost\r\n\r\n",
        b"POST /of-a-stranger HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000\r\n\r\n",
        _FORM,
        b"GET /of-a-stranger HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ]
    for request in requests * 20:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request)
            while connection.recv(65_536):
                pass
    log = process.log.read_text()
    lines = log.count("\n") - before
    print(f"{20 * len(requests)} refused requests: {lines} log lines")  # noqa: T201  # the figure
    assert 1 <= lines <= 3
    assert "of-a-stranger" not in log


@pytest.mark.slow  # 75 seconds
def test_a_head_that_is_sent_by_halves_is_closed(flower: tuple[Process, int]) -> None:
    _, port = flower
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        began = time.monotonic()
        assert connection.recv(1) == b""
    print(f"closed after {time.monotonic() - began:.0f} s")  # noqa: T201  # the figure
    assert _is_healthy(port)
