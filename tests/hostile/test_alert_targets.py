"""Targets of alerts that redirect, answer without an end, or answer very slowly: memory, time, and the log."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
import requests

from times_dispatch.alerts import bounded_responses
from times_dispatch.alerts.bounded_responses import MAX_ANSWER_BYTES
from times_dispatch.alerts.messages import AlertMessage
from times_dispatch.alerts.targets import AppriseTarget, keep_addresses_out_of_logs

MESSAGE = AlertMessage(title="a title", body="a body", level="warning")
SECRET = "a-secret-of-the-address"
MAX_MORE_MB = 50


class Hostile:
    """A server that answers as an attacker likes, and counts."""

    def __init__(self, answer: str) -> None:
        self.sent = 0
        self.paths = list[str]()
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hostile.paths.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                with suppress(OSError):
                    if answer.isdigit():
                        self.send_response(int(answer))
                        self.send_header("Location", f"http://127.0.0.1:{hostile.port}/elsewhere")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                    self.send_response(200)
                    if answer == "byte by byte":
                        self.send_header("Content-Length", "100000")
                        self.end_headers()
                        while not hostile.ended.wait(0.05):
                            self.wfile.write(b"x")
                            hostile.sent += 1
                        return
                    self.end_headers()
                    while not hostile.ended.is_set():
                        self.wfile.write(b"x" * 65_536)
                        hostile.sent += 65_536

            do_GET = do_POST  # noqa: N815  # the name that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@contextmanager
def running(answer: str) -> Iterator[Hostile]:
    hostile = Hostile(answer)
    try:
        yield hostile
    finally:
        hostile.ended.set()
        hostile.server.shutdown()
        hostile.server.server_close()


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
async def test_a_redirect_is_not_followed(status: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keep_addresses_out_of_logs()
    with running(status) as hostile:
        target = AppriseTarget("ops", f"json://127.0.0.1:{hostile.port}/{SECRET}", first_wait_s=0.01)
        reason = await target.send(MESSAGE)
    print(f"{status}: asked for {sorted(set(hostile.paths))}, {reason!r}")  # noqa: T201  # the figure
    assert reason
    assert {path.strip("/") for path in hostile.paths} == {SECRET}
    assert SECRET not in reason + caplog.text


async def test_an_answer_without_an_end_takes_no_memory_and_holds_nothing_up() -> None:
    before, longest = psutil.Process().memory_info().rss, 0.0
    with running("endless") as hostile:
        target = AppriseTarget("ops", f"json://127.0.0.1:{hostile.port}/{SECRET}", first_wait_s=0.01)
        sending = asyncio.create_task(target.send(MESSAGE))
        while not sending.done():
            began = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.001)
        reason = await sending
        more_mb = (psutil.Process().memory_info().rss - before) / 1_000_000
    print(f"{hostile.sent:,} bytes sent, {more_mb:.0f} MB more, longest stall {longest * 1000:.0f} ms: {reason}")  # noqa: T201  # the figure
    assert reason
    assert hostile.sent < 3 * (MAX_ANSWER_BYTES + 16_000_000)
    assert more_mb < MAX_MORE_MB


def test_an_answer_that_comes_byte_by_byte_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_responses, "ANSWER_WITHIN_S", 0.5)
    bounded_responses.bound_responses()
    with running("byte by byte") as hostile, pytest.raises(requests.exceptions.RequestException):
        requests.post(f"http://127.0.0.1:{hostile.port}/", data=b"x", timeout=60)
    print(f"{hostile.sent:,} of 100,000 bytes sent")  # noqa: T201  # the figure
    assert hostile.sent < 10_000
