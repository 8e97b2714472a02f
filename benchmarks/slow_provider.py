"""A provider that answers slowly and notes the arrival of pushes: ``python -m benchmarks.slow_provider PORT …``.

The provider answers a push after ``--latency-ms``, and a share of the pushes after ``--tail-ms``. ``GET /arrivals``
returns the times of arrival of all pushes by sender, in seconds of the monotonic clock. The provider implements no more
of HTTP.
"""

import argparse
import asyncio
import json
import random
import re
import socket
import sys
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.nginx import ACCEPTED
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, ProcessFailed, clean_environment

_LENGTH = re.compile(rb"[Ll]ength: (\d+)")
_READY_WITHIN_S = 10.0


class SlowProvider:
    """A context manager that runs the provider as a process.

    Args:
        folder: The folder of the process' log.
        latency_ms: Milliseconds before an answer.
        tail_share: Share of the answers that are very slow, from 0 to 1.
        tail_ms: Milliseconds before a very slow answer.
    """

    def __init__(self, folder: Path, *, latency_ms: int, tail_share: float = 0.0, tail_ms: int = 0) -> None:
        self._port = free_port()
        options = ["--latency-ms", str(latency_ms), "--tail-share", str(tail_share), "--tail-ms", str(tail_ms)]
        command = [sys.executable, "-m", "benchmarks.slow_provider", str(self._port), *options]
        environment = {**clean_environment(), "PYTHONPATH": str(Path(__file__).parent.parent)}
        self.process = Process("provider", command, environment=environment, folder=folder)

    @property
    def url(self) -> str:
        """The URL for pushes."""
        return f"http://127.0.0.1:{self._port}/ct/api/v1/message"

    def arrivals(self) -> dict[str, list[float]]:
        """Return the times of arrival of all pushes by sender, in seconds of the monotonic clock."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/arrivals", timeout=30) as answer:
            arrivals: dict[str, list[float]] = json.load(answer)
        return arrivals

    def __enter__(self) -> "SlowProvider":
        self.process.start()
        until = time.monotonic() + _READY_WITHIN_S
        while True:
            self.process.check()
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if time.monotonic() > until:
                    self.process.stop()
                    raise ProcessFailed("the slow provider does not listen") from None
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()


class _Connection(asyncio.Protocol):
    def __init__(self, options: argparse.Namespace, arrivals: dict[str, list[float]]) -> None:
        self._options = options
        self._arrivals = arrivals
        self._loop = asyncio.get_running_loop()
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return
        if self._data.startswith(b"GET"):
            self._answer(json.dumps(self._arrivals))
            return
        length = _LENGTH.search(self._data)
        if length is None or len(self._data) < head + 4 + int(length[1]):
            return
        at = self._data.find(b'"from":"', head) + 8
        self._arrivals[self._data[at : at + 6].decode()].append(self._loop.time())
        self._data = b""
        is_very_slow = random.random() < self._options.tail_share
        wait_ms = self._options.tail_ms if is_very_slow else self._options.latency_ms
        if wait_ms:
            self._loop.call_later(wait_ms / 1000, self._answer, ACCEPTED)
        else:
            self._answer(ACCEPTED)

    def _answer(self, body: str) -> None:
        self._data = b""
        if not self._transport.is_closing():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self._transport.write((head + body).encode())


async def _serve(options: argparse.Namespace) -> None:
    arrivals: dict[str, list[float]] = defaultdict(list)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(options, arrivals), "127.0.0.1", options.port, backlog=4096)
    await server.serve_forever()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--latency-ms", type=int, default=0)
    parser.add_argument("--tail-share", type=float, default=0.0)
    parser.add_argument("--tail-ms", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(_serve(_options()))
