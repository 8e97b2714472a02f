"""Strangers, who cannot log in, can exhaust neither the console's memory nor its connections nor its log."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.kit.console_process import ConsoleProcess
from tests.kit.watched import least_stall_ms
from times_dispatch.demo.local_ports import free_port

pytestmark = [pytest.mark.processes, pytest.mark.alone]

MAX_MB = 300
MAX_STALL_MS = 50
_MIB = 1024 * 1024
_FIELDS = b"".join(b"X%d: aaaaaaaa\r\n" % number for number in range(3_000))
_CHUNKED = b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "fields": (b"GET /login HTTP/1.1\r\nHost: x\r\n", _FIELDS),
    "a field": (b"GET /login HTTP/1.1\r\nX: ", b"a" * 65_536),
    "a path": (b"GET /", b"a" * 65_536),
    "trailers": (_CHUNKED + b"0\r\n", _FIELDS),
    "chunks": (_CHUNKED, b"1\r\na\r\n" * 10_000),
}
"""The beginning of a request, and the bytes that are sent after it without an end."""


@pytest.fixture
def console(tmp_path: Path, redis_url: str) -> Iterator[ConsoleProcess]:
    """A console that trusts the headers of a proxy on this host."""
    started = ConsoleProcess(tmp_path, redis_url, port=free_port(), table="trusted_proxies = ['127.0.0.0/8']")
    with started.running():
        yield started


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
def test_endless_requests_take_no_memory(console: ConsoleProcess) -> None:
    before = console.peak_mb
    for what, (beginning, endless) in ENDLESS.items():
        sent = 0
        with console.connect() as connection, suppress(OSError):
            connection.sendall(beginning)
            while sent < 30 * _MIB:
                connection.sendall(endless)
                sent += len(endless)
        print(f"{what}: {sent:,} bytes sent, {console.peak_mb:.0f} MB at most, {before:.0f} MB before")  # noqa: T201  # the figure
        assert sent < 30 * _MIB, what
    assert console.peak_mb < min(MAX_MB, before + 50)
    assert console.is_healthy()


async def test_a_thousand_requests_at_one_moment_are_answered_in_turns(console: ConsoleProcess) -> None:
    def attack() -> float:
        with ExitStack() as stack:
            connections = [stack.enter_context(console.connect()) for _ in range(900)]
            assert console.is_healthy()
            console.figures.unlink(missing_ok=True)
            os.kill(console.pid, signal.SIGSTOP)  # all requests arrive before the console reads
            for connection in connections:
                connection.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            os.kill(console.pid, signal.SIGCONT)
            got = Counter(connection.recv(12) for connection in connections)
        answered = got[b"HTTP/1.1 200"]
        print(f"{answered} pages of the login at one moment: {console.stall_ms:.0f} ms of stall at most")  # noqa: T201  # the figure
        assert answered == len(connections)
        return console.stall_ms

    assert await least_stall_ms(attack, max_ms=MAX_STALL_MS) < MAX_STALL_MS


def test_silent_connections_do_not_keep_others_out(console: ConsoleProcess) -> None:
    with ExitStack() as silent:
        for _ in range(1_200):
            with suppress(OSError):
                silent.enter_context(console.connect())
        assert console.is_healthy()


def test_a_form_that_ends_early_leaves_no_traceback_in_the_log(console: ConsoleProcess) -> None:
    for _ in range(20):
        with console.connect() as connection:
            connection.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nname=a")
            time.sleep(0.01)
    assert console.is_healthy()
    console.process.stop()
    assert "Traceback" not in console.process.log.read_text()
