"""Holds many streams of the console open, like tabs of browsers: ``python -m benchmarks.viewers``.

The first line of the input names the console, the cookies of the logins and the addresses of the streams as JSON. When
every stream has got its first event, the command prints a line. At the end of its input, the command prints the counts
of received bytes and events, and ends.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvloop

from times_dispatch.demo.stack import Stack

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_EVENT = b"\nevent: "


class Viewers:
    """A context manager: a process with open streams.

    Args:
        url: The URL of the console.
        cookies: The cookie of each login; the streams take turns.
        paths: The address of each stream.
    """

    def __init__(self, url: str, cookies: Sequence[str], paths: Sequence[str]) -> None:
        self._task = json.dumps({"url": url, "cookies": list(cookies), "paths": list(paths)}) + "\n"
        self._opened: list[subprocess.Popen[bytes]] = []
        self.received: dict[str, int] = {}
        """The numbers of bytes, of events, and of streams that the console ended; known after the end."""

    @property
    def process(self) -> tuple[str, int]:
        """The name and the id of the process, whose CPU time does not belong to the console."""
        return "viewers", self._opened[-1].pid

    def __enter__(self) -> "Viewers":
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.viewers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        self._opened.append(process)
        if process.stdin and process.stdout:  # both are pipes
            process.stdin.write(self._task.encode())
            process.stdin.flush()
            if process.stdout.readline():
                return self
        process.kill()
        raise RuntimeError("not every stream of the console was opened")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._opened:
            output, _ = process.communicate(timeout=60)
            self.received = json.loads(output)
            if self.received["ended"]:
                raise RuntimeError(f"the console ended {self.received['ended']} streams")


def log_in(stack: Stack, role: str) -> str:
    """Log in a user of the stack's console, and return the cookie."""
    page = httpx.get(f"{stack.console_url}/login", timeout=60)
    form = _CSRF.search(page.text)
    fields = {"csrf": form[1] if form else "", "name": role, "password": stack.console_users[role]}
    # The cookies are only for TLS; browsers also treat 127.0.0.1 as safe, but httpx does not.
    headers = {"Cookie": _cookie(page)}
    answer = httpx.post(f"{stack.console_url}/login", data=fields, headers=headers, timeout=60)
    if answer.status_code != httpx.codes.SEE_OTHER:
        raise RuntimeError(f"the console answered a login with {answer.status_code}")
    return _cookie(answer)


def _cookie(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


class _Stream(asyncio.Protocol):
    """One stream, which counts received data and keeps no data, so that viewers cost the machine little."""

    def __init__(self, request: bytes, opened: "asyncio.Future[None]") -> None:
        self._request, self.opened = request, opened
        self.bytes = self.events = self.ended = 0

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self.events += data.count(_EVENT)
        if self.events and not self.opened.done():
            self.opened.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = 1
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("the console closed a stream"))


async def _hold(task: dict[str, Any]) -> dict[str, int]:
    loop, parts = asyncio.get_running_loop(), urlsplit(task["url"])
    streams = []
    for number, path in enumerate(task["paths"]):
        cookie = task["cookies"][number % len(task["cookies"])]
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\nCookie: {cookie}\r\n\r\n"
        )
        stream = _Stream(request.encode(), loop.create_future())
        streams.append(stream)
        await loop.create_connection(partial(_identity, stream), parts.hostname or "", parts.port or 80)
    async with asyncio.timeout(120):
        await asyncio.gather(*(stream.opened for stream in streams))
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return {name: sum(int(getattr(stream, name)) for stream in streams) for name in ("bytes", "events", "ended")}


def _identity(stream: _Stream) -> _Stream:
    return stream


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_hold(json.loads(sys.stdin.readline())))))
