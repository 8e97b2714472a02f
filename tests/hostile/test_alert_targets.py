"""Alert targets that redirect, or that answer without an end or very slowly, cost bounded memory and time."""

import asyncio
import logging
import time
from contextlib import suppress

import psutil
import pytest

from tests.kit.clock import FakeClock
from tests.kit.hostile_server import ENDLESS_HTTP, ENDLESS_MAIL, SLOW_HTTP, SLOW_MAIL, hostile_server
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
"""How long the test reads the answer before the end of the attempt's time, in seconds."""

ENDLESS = {**ENDLESS_HTTP, **ENDLESS_MAIL}
SLOW = {**SLOW_HTTP, **SLOW_MAIL}


def url(kind: str, port: int) -> str:
    if "mail" in kind:
        return f"mailto://user:{SECRET}@127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure"
    return f"json://127.0.0.1:{port}/{SECRET}"


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
async def test_a_redirect_is_not_followed(status: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keep_addresses_out_of_logs()
    with hostile_server(b"") as elsewhere:
        head = f"HTTP/1.1 {status} x\r\nLocation: http://127.0.0.1:{elsewhere.port}/\r\nContent-Length: 0\r\n\r\n"
        with hostile_server(head.encode()) as hostile:
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
    others = set(own.children())  # the child processes of other tests in this process are not counted
    with hostile_server(first, then, slow=kind in SLOW) as hostile:
        target = AppriseTarget("ops", url(kind, hostile.port), clock=clock)
        before_mb = own.memory_info().rss / 1e6
        stop = asyncio.Event()
        sending = asyncio.create_task(target.send(MESSAGE, stop=stop))
        while not sending.done():
            turn = time.thread_time()
            await asyncio.sleep(0.005)
            stop.set()  # one attempt is enough
            answered_at = answered_at or (time.monotonic() if hostile.connections else 0.0)
            if answered_at and time.monotonic() > answered_at + LOOK_S:
                await clock.advance(SEND_WITHIN_S)
            stall_ms = max(stall_ms, (time.thread_time() - turn) * 1000)
            with suppress(psutil.Error):
                peak_mb = max([peak_mb, *(child.memory_info().rss / 1e6 for child in {*own.children()} - others)])
        more_mb = own.memory_info().rss / 1e6 - before_mb
    print(  # noqa: T201  # the figure
        f"{kind}: {hostile.sent:,} bytes sent, child {peak_mb:.0f} "
        f"MB, own {more_mb:.0f} MB more, {stall_ms:.0f} ms of stall: {await sending}"
    )
    assert await sending
    assert SECRET not in await sending
    assert hostile.connections
    assert {*own.children()} <= others
    assert peak_mb < MAX_MB
    assert more_mb < MAX_OWN_MB
    assert stall_ms < MAX_STALL_MS


async def test_a_mail_server_without_starttls_gets_neither_the_password_nor_the_message() -> None:
    with hostile_server(
        b"220 a\r\n250-a\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000\r\n" + b"250 ok\r\n" * 10
    ) as hostile:
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
