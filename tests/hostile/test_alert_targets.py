"""Targets of alerts that redirect, or answer without an end or very slowly: memory, time, processes, and the log."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.kit.clock import FakeClock
from tests.kit.tls import Certificates, tls_server
from times_dispatch.alerts.messages import AlertMessage
from times_dispatch.alerts.targets import SEND_WITHIN_S, AppriseTarget, keep_addresses_out_of_logs

pytestmark = pytest.mark.processes

MESSAGE = AlertMessage(title="a title", body="a body", level="warning")
SECRET = "a-secret-of-the-address"
MAX_MB = 300
MAX_OWN_MB = 20
MAX_STALL_MS = 50
LOOK_S = 2.0
"""How long the answer is looked at before the time of the attempt is over."""

ENDLESS = {
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
    "a head of one line": (b"HTTP/1.1 200 OK\r\nA: ", b"x" * 65_536),
    "a head of many lines": (b"HTTP/1.1 200 OK\r\n", b"A: x\r\n" * 10_000),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
    "a chunk's length": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65_536),
    "a compressed body": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        b"\x00\x00\x00\xff\xff" * 10_000,
    ),
    "one line of a mail server": (b"220 ", b"x" * 65_536),
    "lines of a mail server": (b"", b"220-hello\r\n" * 5_000),
}
SLOW = {
    "a slow head": b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * 10_000,
    "a slow body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
    "a slow mail server": b"220-hello\r\n" * 10_000,
}


class Hostile:
    """A server that sends bytes to whoever connects, as long as they are taken, and keeps what it gets."""

    def __init__(self, first: bytes, then: bytes, *, slow: bool = False) -> None:
        self.sent = self.connections = 0
        self.received = b""
        self._first, self._then, self._slow = first, then, slow
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def end(self) -> None:
        self.ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        with suppress(OSError), connection:
            if self._first.startswith(b"HTTP") or self._then.startswith(b"HTTP"):
                self.received += connection.recv(65_536)
            else:
                threading.Thread(target=self._receive, args=(connection,), daemon=True).start()
            if self._slow:
                for byte in self._first:
                    connection.sendall(bytes([byte]))
                    self.sent += 1
                    if self.ended.wait(0.05):
                        return
            connection.sendall(self._first)
            while self._then and not self.ended.is_set():
                connection.sendall(self._then)
                self.sent += len(self._then)
            self.ended.wait(30)

    def _receive(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while data := connection.recv(65_536):
                self.received += data


@contextmanager
def running(first: bytes, then: bytes = b"", *, slow: bool = False) -> Iterator[Hostile]:
    hostile = Hostile(first, then, slow=slow)
    try:
        yield hostile
    finally:
        hostile.end()


def url(kind: str, port: int) -> str:
    if "mail" in kind:
        return f"mailto://user:{SECRET}@127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure"
    return f"json://127.0.0.1:{port}/{SECRET}"


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
async def test_a_redirect_is_not_followed(status: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keep_addresses_out_of_logs()
    with running(b"") as elsewhere:
        head = f"HTTP/1.1 {status} x\r\nLocation: http://127.0.0.1:{elsewhere.port}/\r\nContent-Length: 0\r\n\r\n"
        with running(head.encode()) as hostile:
            target = AppriseTarget("ops", url("", hostile.port), first_wait_s=0.01)
            reason = await target.send(MESSAGE)
    print(f"{status}: {hostile.connections} requests, {elsewhere.connections} elsewhere, {reason!r}")  # noqa: T201  # the figure
    assert reason
    assert hostile.connections
    assert elsewhere.connections == 0
    assert SECRET not in reason + caplog.text


@pytest.mark.parametrize("kind", [*ENDLESS, *SLOW])
async def test_an_answer_without_an_end_is_ended_and_takes_neither_memory_nor_time(kind: str) -> None:
    first, then = ENDLESS.get(kind, (SLOW.get(kind, b""), b""))
    own, peak_mb, stall_ms, clock, answered_at = psutil.Process(), 0.0, 0.0, FakeClock(), 0.0
    with running(first, then, slow=kind in SLOW) as hostile:
        target = AppriseTarget("ops", url(kind, hostile.port), clock=clock)
        before_mb = own.memory_info().rss / 1e6
        stop = asyncio.Event()
        sending = asyncio.create_task(target.send(MESSAGE, stop=stop))
        while not sending.done():
            turn = time.thread_time()
            await asyncio.sleep(0.005)
            stop.set()  # one attempt shows it
            answered_at = answered_at or (time.monotonic() if hostile.connections else 0.0)
            if answered_at and time.monotonic() > answered_at + LOOK_S:
                await clock.advance(SEND_WITHIN_S)
            stall_ms = max(stall_ms, (time.thread_time() - turn) * 1000)
            with suppress(psutil.Error):
                peak_mb = max([peak_mb, *(child.memory_info().rss / 1e6 for child in own.children())])
        more_mb = own.memory_info().rss / 1e6 - before_mb
    print(  # noqa: T201  # the figure
        f"{kind}: {hostile.sent:,} bytes sent, child {peak_mb:.0f} "
        f"MB, own {more_mb:.0f} MB more, {stall_ms:.0f} ms of stall: {await sending}"
    )
    assert await sending
    assert SECRET not in await sending
    assert hostile.connections
    assert own.children() == []
    assert peak_mb < MAX_MB
    assert more_mb < MAX_OWN_MB
    assert stall_ms < MAX_STALL_MS


async def test_a_mail_server_without_starttls_gets_neither_the_password_nor_the_message() -> None:
    with running(b"220 a\r\n250-a\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000\r\n" + b"250 ok\r\n" * 10) as hostile:
        address = f"mailtos://user:{SECRET}@127.0.0.1:{hostile.port}?from=a@example.org&to=b@example.org&mode=starttls"
        reason = await AppriseTarget("ops", address, first_wait_s=0.01).send(MESSAGE)
    print(f"{hostile.connections} connections got {hostile.received!r}: {reason}")  # noqa: T201  # the figure
    assert reason
    assert hostile.connections
    assert b"AUTH" not in hostile.received
    assert b"MAIL FROM" not in hostile.received


@pytest.mark.parametrize(
    "address", ["jsons://127.0.0.1:{}/a-secret", "mailtos://u:p@127.0.0.1:{}?from=a@b.in&to=a@b.in&mode=ssl"]
)
@pytest.mark.parametrize("kind", ["of an unknown CA", "of another host"])
async def test_a_target_with_a_wrong_certificate_gets_nothing(
    address: str, kind: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(variable, str(certificates.ca))
    with tls_server(certificates.server(kind)) as rogue:
        reason = await AppriseTarget("ops", address.format(rogue.port), first_wait_s=0.01).send(MESSAGE)
    print(f"{rogue.connections} connections got {len(rogue.received)} bytes: {reason}")  # noqa: T201  # the figure
    assert reason
    assert rogue.connections
    assert rogue.received == b""
