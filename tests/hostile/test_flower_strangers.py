"""What strangers, who have no login, can do to Flower: its memory."""

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
from times_dispatch.demo.processes import Process, clean_environment, free_port
from times_dispatch.demo.stack import flower_command

pytestmark = [pytest.mark.processes, pytest.mark.alone]

MAX_MB = 300
_MIB = 1024 * 1024


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
    process = Process("flower", flower_command(port), environment=environment, folder=tmp_path)
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
