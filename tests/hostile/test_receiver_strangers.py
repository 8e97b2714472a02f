"""Strangers, who do not know the callback secret, can neither stall the receiver nor fill its memory or its log."""

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.kit.callbacks import SECRET, SETTINGS, Processes, posted, row
from tests.kit.watched import Watched, least_stall_ms

pytestmark = [pytest.mark.processes, pytest.mark.alone]

PATH = f"/callbacks/{SECRET}"
BODY = posted("delivered", row("m1"))
MIB = 1024 * 1024
MAX_STALL_MS = 50


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end()


@pytest.fixture
def receiver(processes: Processes, redis_url: str) -> tuple[Watched, str]:
    return processes.watched_receiver(redis_url)


def connect(url: str, source: str = "127.0.0.1") -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=30, source_address=(source, 0))


def send(connection: socket.socket, data: bytes, total: int) -> int:
    """Send the same bytes repeatedly; return how many bytes were sent before the connection was closed."""
    sent = 0
    with suppress(OSError):
        while sent < total:
            connection.sendall(data)
            sent += len(data)
    return sent


def assert_report_is_taken(url: str) -> None:
    response = httpx.post(url + PATH, content=BODY, timeout=60)
    assert response.status_code == 200


ENDLESS = {
    "fields": (b"GET / HTTP/1.1\r\n", b"X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000),
    "tiny fields": (b"GET / HTTP/1.1\r\n", b"a:b\r\n" * 10_000),
    "a field": (b"GET / HTTP/1.1\r\nX-A: ", b"a" * 65_536),
    "the name of a field": (b"GET / HTTP/1.1\r\n", b"a" * 65_536),
    "the URL": (b"GET /", b"a" * 65_536),
    "the URL of a callback": (b"POST /callbacks/", b"a" * 65_536),
    "the query": (b"GET /?", b"a=b&" * 16_384),
    "the method": (b"", b"G" * 65_536),
    "empty lines": (b"", b"\r\n" * 32_768),
    "trailers": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
        b"X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000,
    ),
    "the extension of a chunk": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=", b"a" * 65_536),
}


@pytest.mark.parametrize("part", ENDLESS)
def test_an_endless_head_is_cut_at_32_kib(receiver: tuple[Watched, str], part: str) -> None:
    watched, url = receiver
    begin, more = ENDLESS[part]
    with connect(url) as connection:
        connection.sendall(begin)
        sent = send(connection, more, 256 * MIB)
    if part != "empty lines":  # the receiver waits ten seconds, and keeps nothing
        assert sent < 20 * MIB
    assert_report_is_taken(url)
    watched.check(f"an endless head ({part}), {sent / MIB:.1f} MiB sent")


@pytest.mark.parametrize("framing", [b"Content-Length: 900000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_an_endless_body_without_the_secret_is_not_kept(receiver: tuple[Watched, str], framing: bytes) -> None:
    watched, url = receiver
    piece = b"10000\r\n" + b"a" * 65_536 + b"\r\n" if b"chunked" in framing else b"a" * 65_536
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(url)) for _ in range(8)]
        for connection in connections:
            connection.sendall(b"POST /callbacks/guess HTTP/1.1\r\nHost: a\r\n" + framing)
        threads = [
            threading.Thread(target=send, args=(connection, piece, 32 * MIB), daemon=True) for connection in connections
        ]
        for thread in threads:
            thread.start()
        assert_report_is_taken(url)
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    watched.check("256 MiB of bodies without the secret")


def test_silent_connections_do_not_stop_the_reports(receiver: tuple[Watched, str]) -> None:
    watched, url = receiver
    with ExitStack() as stack:
        connections: list[socket.socket] = []
        for number in range(4200):
            connection = stack.enter_context(connect(url))
            connections.append(connection)
            if number % 2:
                connection.sendall(b"POST /callbacks/x HTTP/1.1\r\nX-A: a")
        started_s = time.monotonic()
        assert_report_is_taken(url)
        waited_s = time.monotonic() - started_s
        assert waited_s < 5
        connections[0].settimeout(30)
        with suppress(ConnectionResetError):  # closed to accept a newer connection
            assert connections[0].recv(1) == b""
        watched.check(f"4,200 silent connections, a report took {waited_s * 1000:.0f} ms")


@pytest.mark.slow
def test_a_silent_connection_is_closed_after_ten_seconds(receiver: tuple[Watched, str]) -> None:
    _, url = receiver
    heads = [b"", b"GET / HTTP/1.1\r\nX-A", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /"]
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(url)) for _ in heads]
        for connection, head in zip(connections, heads, strict=True):
            connection.sendall(head)
        started_s = time.monotonic()
        for connection in connections:
            with suppress(ConnectionResetError):
                while connection.recv(65_536):
                    pass
        assert 9 < time.monotonic() - started_s < 25


def test_one_address_has_so_many_connections_and_another_address_posts(tmp_path: Path, redis_url: str) -> None:
    processes = Processes(
        tmp_path, SETTINGS + '\n[callbacks]\ntrusted_proxies = ["10.0.0.0/8"]\nmax_per_address = 20\n'
    )
    try:
        watched, url = processes.watched_receiver(redis_url)
        with ExitStack() as stack:
            connections = [stack.enter_context(connect(url, "127.0.0.2")) for _ in range(30)]
            for connection in connections[20:]:
                with suppress(ConnectionResetError):
                    assert connection.recv(1) == b""
            connections[0].sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in connections[0].recv(1000)
            assert_report_is_taken(url)
        watched.check("30 connections of an address that may have 20")
    finally:
        processes.end()


def test_pipelined_requests_are_bounded(receiver: tuple[Watched, str]) -> None:
    watched, url = receiver
    with ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(connect(url))
            sent = send(connection, b"GET / HTTP/1.1\r\n\r\n" * 10_000, 32 * MIB)
            assert sent < 20 * MIB
    assert_report_is_taken(url)
    watched.check("pipelined requests")


@pytest.mark.parametrize(
    ("what", "count", "data"),
    [
        (
            "tiny chunks",
            200,
            b"POST /callbacks/guess HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 20_000,
        ),
        ("pipelined requests", 1_500, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 30),
    ],
    ids=["tiny chunks", "pipelined requests"],
)
async def test_many_connections_that_send_at_one_moment_are_parsed_in_turns(
    receiver: tuple[Watched, str], what: str, count: int, data: bytes
) -> None:
    watched, url = receiver

    def attack() -> float:
        watched.forget()
        with ExitStack() as stack:
            sources = [f"127.0.0.{2 + number // 200}" for number in range(count)]
            connections = [stack.enter_context(connect(url, source)) for source in sources]
            os.kill(watched.process.pid, signal.SIGSTOP)  # all bytes arrive before the receiver reads
            for connection in connections:
                connection.setblocking(False)
                with suppress(OSError):
                    connection.send(data)
            os.kill(watched.process.pid, signal.SIGCONT)
            assert_report_is_taken(url)
        return watched.stall_ms

    stall_ms = await least_stall_ms(attack, max_ms=MAX_STALL_MS)
    watched.check(f"{what} of {count:,} connections at one moment", max_stall_ms=MAX_STALL_MS, stall_ms=stall_ms)


@pytest.mark.parametrize("is_reset", [False, True], ids=["ended", "reset"])
async def test_many_connections_that_are_lost_at_one_moment_are_forgotten_in_turns(
    receiver: tuple[Watched, str], *, is_reset: bool
) -> None:
    watched, url = receiver

    def attack() -> float:
        connections = [connect(url, f"127.0.0.{2 + number // 200}") for number in range(1_500)]
        for connection in connections:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
        for connection in connections:
            assert connection.recv(1024)
        assert_report_is_taken(url)
        watched.forget()
        os.kill(watched.process.pid, signal.SIGSTOP)  # all connections are lost before the receiver looks
        for connection in connections:
            if is_reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        os.kill(watched.process.pid, signal.SIGCONT)
        for _ in range(3):
            assert_report_is_taken(url)
        return watched.stall_ms

    stall_ms = await least_stall_ms(attack, max_ms=MAX_STALL_MS)
    watched.check("1,500 connections lost at one moment", max_stall_ms=MAX_STALL_MS, stall_ms=stall_ms)


def test_requests_of_strangers_log_few_lines(receiver: tuple[Watched, str], processes: Processes) -> None:
    watched, url = receiver
    requests = [
        b"GET /callbacks/guess HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"not HTTP\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /callbacks/guess HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\na",
        b"POST //:x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    before = len(processes.logs().splitlines())
    for _ in range(200):
        for request in requests:
            with connect(url) as connection, suppress(OSError):
                connection.sendall(request)
                connection.recv(1000)
    lines = processes.logs().splitlines()[before:]
    print(f"{200 * len(requests)} requests of strangers: {len(lines)} log lines")  # noqa: T201
    assert len(lines) <= 10
    assert "guess" not in processes.logs()
    watched.check("1,800 requests of strangers")


def test_pipelining_clients_that_go_away_cause_no_traceback(
    receiver: tuple[Watched, str], processes: Processes
) -> None:
    watched, url = receiver
    for number in range(300):
        with connect(url) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes with a reset
            connection.sendall(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n" * (3 if number % 2 else 40))
            time.sleep(0.0005 * (number % 3))
    assert_report_is_taken(url)
    log = processes.logs()
    print(f"300 connections with pipelined requests: {log.count('Traceback')} tracebacks, {len(log):,} bytes of log")  # noqa: T201
    assert "Traceback" not in log
    watched.check("300 connections with pipelined requests")
