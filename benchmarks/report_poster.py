"""Posts delivery reports as fast as the receiver answers: ``python -m benchmarks.report_poster URL FILE CONNECTIONS``.

The file holds bodies, each after its length in four bytes. The command prints the times of the first and the last post
by the monotonic clock, and the number of answers with 200.
"""

import asyncio
import json
import random
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from times_dispatch.ledger.model import CampaignId
from times_dispatch.provider.correlation_ids import CorrelationIds

CONNECTIONS = 64
_LENGTH = struct.Struct(">I")
_ANSWER_LENGTH = re.compile(rb"[Ll]ength: *(\d+)")
_SHUFFLED_REPORTS = 5_000
"""Reports arrive roughly in the order of the pushes: within each part of this many reports, the order is random."""


def write(path: Path, ids: CorrelationIds, campaign: CampaignId, messages: int, *, per_post: int) -> None:
    """Write bodies with a report for every message of a campaign: 95 % delivered, 5 % failed.

    Args:
        path: the file of bodies.
        ids: makes correlation ids.
        campaign: the campaign.
        messages: the number of messages of the campaign.
        per_post: the number of reports in a body.
    """
    rng, now = random.Random(1), int(time.time())
    order = list(range(messages))
    with path.open("wb") as file:
        for first in range(0, messages, _SHUFFLED_REPORTS):
            part = order[first : first + _SHUFFLED_REPORTS]
            rng.shuffle(part)
            for at in range(0, len(part), per_post):
                body = _body([ids.make(campaign, index) for index in part[at : at + per_post]], now, rng)
                file.write(_LENGTH.pack(len(body)) + body)


def delivered(meta: str, now: int) -> bytes:
    """Return a body with one report that the message was delivered."""
    row = {"ts": now, "meta": meta, "description": "Delivered to handset"}
    return json.dumps([{"event": "delivered", "data": [row]}]).encode()


def start(url: str, path: Path, *, connections: int = CONNECTIONS) -> "subprocess.Popen[bytes]":
    """Start a process that posts the bodies in the file."""
    command = [sys.executable, "-m", "benchmarks.report_poster", url, str(path), str(connections)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)


def _body(metas: Sequence[str], now: int, rng: random.Random) -> bytes:
    failed = [meta for meta in metas if rng.random() < 0.05]
    delivered = [meta for meta in metas if meta not in failed]
    events: list[dict[str, Any]] = []
    if delivered:
        rows = [{"ts": now, "meta": meta, "description": "Delivered to handset"} for meta in delivered]
        events.append({"event": "delivered", "data": rows})
    if failed:
        rows = [{"ts": now, "meta": meta, "code": "910", "description": "Invalid subscriber"} for meta in failed]
        events.append({"event": "failed", "data": rows})
    return json.dumps(events).encode()


class _Poster(asyncio.Protocol):
    """One connection, which posts the next body after the whole answer to the previous body."""

    def __init__(self, head: bytes, bodies: Iterator[bytes], done: "asyncio.Future[None]") -> None:
        self._head, self._bodies, self.done = head, bodies, done
        self._data = b""
        self.accepted = self.refused = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        length = _ANSWER_LENGTH.search(self._data) if end > 0 else None
        if length and len(self._data) >= end + 4 + int(length[1]):
            if self._data[9:12] == b"200":
                self.accepted += 1
            else:
                self.refused += 1
            self._data = b""
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the receiver closed the connection"))

    def _next(self) -> None:
        body = next(self._bodies, None)
        if body is not None:
            self._transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
        elif not self.done.done():
            self.done.set_result(None)


async def _post(url: str, bodies: Iterator[bytes], connections: int) -> dict[str, float]:
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n".encode()
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    posters = [_Poster(head, bodies, loop.create_future()) for _ in range(connections)]
    for poster in posters:
        await loop.create_connection(partial(_identity, poster), parts.hostname or "", parts.port or 80)
    await asyncio.gather(*(poster.done for poster in posters))
    accepted, refused = sum(poster.accepted for poster in posters), sum(poster.refused for poster in posters)
    return {"began": began, "ended": time.monotonic(), "accepted": accepted, "refused": refused}


def _identity(poster: _Poster) -> _Poster:
    return poster


def _bodies(data: bytes) -> list[bytes]:
    bodies, at = [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        bodies.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return bodies


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_post(sys.argv[1], iter(_bodies(Path(sys.argv[2]).read_bytes())), int(sys.argv[3])))))
