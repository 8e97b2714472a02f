"""A poster who knows the callback secret can neither stall nor fill receiver, reconciler and Redis."""

import asyncio
import gzip
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from callbacks.classifier import MAX_REACTIONS
from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.http.posted_reports import PostedReportsReader, is_light
from callbacks.streams import REPORTS
from tests.kit.callbacks import ID_KEY, SECRET, Processes, posted, row, send_campaign
from tests.kit.reconciler import accept, is_settled, make_reconciler, settle
from tests.kit.waiting import eventually
from tests.kit.watched import least_stall_ms
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.reports.reports import MAX_COMMAS, MAX_ROWS

pytestmark = pytest.mark.processes

PATH = f"/callbacks/{SECRET}"
GOOD = posted("delivered", row("m1"))
MIB = 1024 * 1024
MAX_STALL_MS = 50
BOUNDARY = b"b"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end()


def filled(begin: bytes, piece: bytes, end: bytes, size: int = MIB - 100) -> bytes:
    return begin + piece * ((size - len(begin) - len(end)) // len(piece)) + end


TINY = {
    "numbers": filled(b"[0", b",0", b"]"),
    "arrays": filled(b"[[]", b",[]", b"]"),
    "objects": filled(b"[{}", b",{}", b"]"),
    "rows of a group": filled(b'[{"event":"delivered","data":[0', b",0", b"]}]"),
    "rows of an unknown event": filled(b'[{"event":"x","data":[{"ts":1,"meta":"a"}', b",{}", b"]}]"),
    "rows without data": filled(b'[{"ts":1}', b',{"ts":1}', b"]"),
    "groups without rows": filled(b'[{"event":"x","data":[]}', b',{"event":"x","data":[]}', b"]"),
    "lines": filled(b"{}\n", b"{}\n", b"{}"),
    "a depth": filled(b"", b"[", b""),
    "names": filled(b'{"ts":1', b',"a":1', b"}"),
    "bare line breaks": filled(b'[{"a":"\n"}', b',{"a":1}', b"]"),
    "a form": filled(b"a=b", b"&a=b", b""),
    "a text": filled(b'"', b"[{}],", b'"'),
    "parts": filled(b"--b\r\n\r\n\r\n", b"--b\r\n\r\n\r\n", b"--b--\r\n"),
    "parts in parts": b"".join(
        b"--b%b\rContent-Type: multipart/mixed; boundary=b%d\r\r" % (b"%d" % depth if depth else b"", depth + 1)
        for depth in range(16_000)
    ),
    "a head of a part": filled(b'--b\r\nContent-Disposition: form-data; "', b";", b"\r\n\r\nx\r\n--b--\r\n"),
    "a short head of a part": filled(b'--b\r\nContent-Disposition: form-data; "', b";", b"\r\n\r\nx\r\n--b--", 60_000),
    "a header": b"--b\r\n",
    "digits": filled(b'[{"event":"delivered","data":[{"meta":"a","ts":', b"1", b"}]}]"),
    "a time": filled(b'[{"event":"delivered","data":[{"meta":"a","ts":"', b"1", b'"}]}]'),
    "documents": filled(b"{}", b"{}", b""),
    "empty documents": filled(b"[]", b"[]", b""),
    "fields of a form": filled(b"data[0][ts]=1", b"&data[0][ts]=1", b""),
    "brackets of a field": filled(b"data", b"[0]", b"=1"),
    "an event": filled(b'[{"event":"', b"a ", b'","data":[{}]}]'),
}


_PARTS = "multipart/form-data; boundary=b"
CONTENT_TYPES = {
    "parts": _PARTS,
    "parts in parts": _PARTS,
    "a head of a part": _PARTS,
    "a short head of a part": _PARTS,
    "a header": 'multipart/form-data; "' + ";" * 30_000,
}


@pytest.mark.parametrize("kind", TINY)
async def test_a_body_of_tiny_things_neither_stalls_nor_fills_the_receiver(
    redis: Redis, redis_url: str, processes: Processes, kind: str
) -> None:
    watched, url = processes.watched_receiver(redis_url)
    headers = {"content-type": CONTENT_TYPES[kind]} if kind in CONTENT_TYPES else {}
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:

        async def attack() -> float:
            watched.forget()
            posts = [http.post(PATH, content=TINY[kind], headers=headers) for _ in range(4)]
            statuses = {response.status_code for response in await asyncio.gather(*posts)}
            assert statuses <= {200, 400}
            assert (await http.post(PATH, content=GOOD)).status_code == 200
            return watched.stall_ms

        stall_ms = await least_stall_ms(attack, max_ms=MAX_STALL_MS)
    watched.check(f"four bodies of {kind}", stall_ms=stall_ms)


# Bodies with all rows, groups, values or lines that are allowed.
TINY |= {
    "rows in other objects": b'{"r":[' + b",".join([b'{"ts":1,"meta":"a","event":"delivered"}'] * 19_000) + b"]}",
    "objects in other objects": b'{"a":[' + b",".join([b'{"b":{"c":{"d":{"e":{}}}}}'] * 11_000) + b"]}",
    "many keys": b'{"event":"x","data":{' + b",".join(b'"%d":0' % key for key in range(59_000)) + b"}}",
    "other field names": b'[{"event":"failed","data":[' + b",".join([b'{"x-y":1,"client-ref":"a"}'] * 19_000) + b"]}]",
    "all rows": b"[" + b",".join([b"0"] * (MAX_ROWS - 1)) + b"]",
    "all rows of an unknown event": b'[{"event":"x","data":[{"ts":1,"meta":"a"}' + b",{}" * (MAX_ROWS - 2) + b"]}]",
    "all groups": b"[" + b",".join([b'{"event":"delivered","data":[{}]}'] * (MAX_ROWS - 1)) + b"]",
    "all values": b"[" + b",".join([b'{"ts":1,"b":"2","c":{}}'] * (MAX_ROWS - 1)) + b"]",
    "all values to be corrected": b'["\n",' + b",".join([b'{"a":1,"b":[2],"c":{}}'] * (MAX_ROWS - 2)) + b"]",
    "all lines": b"\n".join([b'{"ts":1,"a":2}'] * (MAX_ROWS - 1)),
}

BOMBS: dict[str, Callable[[], bytes]] = {
    "zeros": lambda: gzip.compress(b"\0" * 100 * MIB),
    "twice": lambda: gzip.compress(gzip.compress(b"\0" * 100 * MIB)),
    "members": lambda: gzip.compress(b"") * 50_000,
    "a mebibyte": lambda: gzip.compress(filled(b"[0", b",0", b"]")),
}
"""Functions that make the bodies, because making them takes a second, which runs of other tests should not spend."""


@pytest.mark.parametrize("kind", BOMBS)
async def test_compressed_bodies_are_decompressed_within_the_bounds(
    redis: Redis, redis_url: str, processes: Processes, kind: str
) -> None:
    bomb = BOMBS[kind]()
    watched, url = processes.watched_receiver(redis_url)
    headers = {"content-encoding": "gzip, gzip" if kind == "twice" else "gzip"}
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:

        async def attack() -> float:
            watched.forget()
            posts = [http.post(PATH, content=bomb, headers=headers) for _ in range(30)]
            await asyncio.gather(*posts)
            assert (await http.post(PATH, content=GOOD)).status_code == 200
            return watched.stall_ms

        stall_ms = await least_stall_ms(attack, max_ms=MAX_STALL_MS)
    watched.check(f"thirty compressed bodies of {kind}", stall_ms=stall_ms)


async def test_slow_bodies_take_no_more_than_the_bound(redis_url: str, processes: Processes) -> None:
    watched, url = processes.watched_receiver(redis_url)
    parts = urlsplit(url)
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {MIB}\r\n\r\n".encode()
    sent = 0
    with ExitStack() as stack:
        for _ in range(250):
            connection = stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=5))
            try:
                connection.sendall(head + b"[" * (MIB - 1))
                sent += MIB
            except OSError:
                continue
        async with httpx.AsyncClient(base_url=url, timeout=120) as http:
            assert (await http.post(PATH, content=GOOD)).status_code == 200
        watched.check(f"{sent // MIB} MiB of bodies whose last byte does not come")


async def test_a_body_of_more_rows_than_the_bound_is_kept_whole(
    redis: Redis, redis_url: str, processes: Processes
) -> None:
    watched, url = processes.watched_receiver(redis_url)
    body = filled(b'[{"event":"delivered","data":[{"ts":1,"meta":"a"}', b",0", b"]}]")
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        response = await http.post(PATH, content=body)
    assert response.status_code == 400
    assert response.json()["message"] == f"Bad request: the body has more than {MAX_COMMAS} values."
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.body) == (DeadLetterReason.UNREADABLE, body)
    watched.check("a body of 500,000 rows")


@pytest.mark.parametrize("rows", [MAX_ROWS, 500_000])
async def test_an_entry_of_tiny_rows_neither_stalls_nor_fills_the_reconciler(
    redis: Redis, redis_url: str, processes: Processes, rows: int
) -> None:
    watched = processes.watched_reconciler(redis_url)
    await eventually(lambda: redis.exists(REPORTS))
    watched.forget()
    for _ in range(8):
        await accept(redis, filled(b'[{"event":"x","data":[{"ts":1,"meta":"a"}', b",0", b"]}]", 2 * rows))

    async def is_empty() -> bool:
        return await is_settled(redis)

    await eventually(is_empty, within_s=60)
    used = sum([await redis.memory_usage(key) or 0 for key in await redis.keys("reports*")])
    print(f"{used / MIB:.0f} MiB in Redis")  # noqa: T201
    watched.check(f"eight bodies of {rows} rows at the reconciler")


async def test_an_entry_of_many_reports_neither_stalls_nor_fills_the_reconciler(
    redis: Redis, redis_url: str, processes: Processes
) -> None:
    ids = CorrelationIds(ID_KEY.encode())
    sent = await send_campaign(redis, ids, total=2000, batch_size=500)
    watched = processes.watched_reconciler(redis_url)
    await eventually(lambda: redis.exists(REPORTS))
    watched.forget()
    for event in ("delivered", "failed", "sent"):
        await accept(redis, posted(event, *(row(sent.meta(index % 2000)) for index in range(15_000))))

    async def is_empty() -> bool:
        return await is_settled(redis)

    await eventually(is_empty, within_s=60)
    watched.check("three bodies of 15,000 reports at the reconciler")


async def test_the_clicks_of_one_message_are_bounded(redis: Redis) -> None:
    ids = CorrelationIds(ID_KEY.encode())
    sent = await send_campaign(redis, ids, total=1, batch_size=1)
    before = await redis.info("memory")
    for first in range(0, 100_000, 10_000):
        rows = [row(sent.meta(0), url=f"https://a.in/{number % 7}") for number in range(first, first + 10_000)]
        spread = [{**fields, "ts": 1_795_300_000 + first + number} for number, fields in enumerate(rows)]
        await accept(redis, posted("clicked", *spread[:5_000]), posted("clicked", *spread[5_000:]))
        await settle(make_reconciler(redis))
    clicked = await sent.stat("clicked")
    grown = (await redis.info("memory"))["used_memory"] - before["used_memory"]
    print(f"100,000 clicks of one message: {clicked} counted, {grown / 1024:.0f} KiB in Redis")  # noqa: T201
    assert clicked <= MAX_REACTIONS
    assert grown < 2 * MIB


@pytest.mark.alone
async def test_posters_that_wait_for_a_hanging_redis_are_refused_in_turns(processes: Processes, redis_url: str) -> None:
    watched, url = processes.watched_receiver(redis_url)
    parts = urlsplit(url)
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(GOOD)}\r\n\r\n".encode()

    def attack() -> float:
        watched.forget()
        with ExitStack() as stack, SyncRedis.from_url(redis_url) as redis:
            connections = [
                stack.enter_context(
                    socket.create_connection((parts.hostname, parts.port), 30, (f"127.0.0.{2 + number // 200}", 0))
                )
                for number in range(1_000)
            ]
            redis.client_pause(6_000)
            for connection in connections:
                connection.sendall(head + GOOD)
            answers = Counter(connection.recv(12) for connection in connections)
        print(f"{answers}: {watched.stall_ms:.0f} ms of stall at most")  # noqa: T201  # the figure
        assert answers == {b"HTTP/1.1 503": len(connections)}
        return watched.stall_ms

    stall_ms = await least_stall_ms(attack, max_ms=MAX_STALL_MS)
    watched.check("1,000 posters while Redis hangs", max_stall_ms=MAX_STALL_MS, stall_ms=stall_ms)


SMALL = {
    "documents": b'{"a":1}' * 690,
    "objects in other objects": b'{"a":[' + b",".join([b'{"b":{"c":{"d":{}}}}'] * 130) + b"]}",
    "rows of an unknown event": b'[{"event":"x","data":[{}' + b",{}" * 340 + b"]}]",
}
"""Bodies that take some milliseconds each."""


@pytest.mark.parametrize("kind", SMALL)
async def test_small_bodies_that_start_in_one_turn_are_read_in_several(kind: str) -> None:
    body = SMALL[kind]
    assert is_light(body)
    stall_s = 0.0

    async def watch() -> None:
        nonlocal stall_s
        stall_s = 0.0
        while True:
            before_s = time.process_time()
            await asyncio.sleep(0)
            stall_s = max(stall_s, time.process_time() - before_s)

    async def attack() -> float:
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        reader = PostedReportsReader()
        await asyncio.gather(*(reader.read(body, "", b"") for _ in range(64)), return_exceptions=True)
        await asyncio.sleep(0)
        watching.cancel()
        return stall_s * 1000

    stall_ms = await least_stall_ms(attack, max_ms=MAX_STALL_MS)
    print(f"64 small bodies of {kind} in one turn: {stall_ms:.0f} ms of stall at most")  # noqa: T201
    assert stall_ms < MAX_STALL_MS


@pytest.mark.alone
async def test_two_thousand_unreadable_bodies_at_one_moment_do_not_stall_the_receiver(
    processes: Processes, redis_url: str
) -> None:
    watched, url = processes.watched_receiver(redis_url)
    parts = urlsplit(url)
    body = b"{not JSON"
    request = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def answer(connection: socket.socket) -> bytes:
        """Return the status; empty if the receiver closed the connection, because a slow machine took too long."""
        with suppress(ConnectionResetError):
            return connection.recv(12)
        return b""

    def attack() -> float:
        watched.forget()
        with ExitStack() as stack:
            connections = [
                stack.enter_context(
                    socket.create_connection((parts.hostname, parts.port), 60, (f"127.0.0.{2 + number // 200}", 0))
                )
                for number in range(2_000)
            ]
            os.kill(watched.process.pid, signal.SIGSTOP)  # all bytes arrive before the receiver reads
            for connection in connections:
                connection.sendall(request)
            os.kill(watched.process.pid, signal.SIGCONT)
            answers = Counter(map(answer, connections))
        print(f"{answers}: {watched.stall_ms:.0f} ms of stall at most")  # noqa: T201  # the figure
        assert answers.keys() & {b"HTTP/1.1 400", b"HTTP/1.1 503"}
        return watched.stall_ms

    stall_ms = await least_stall_ms(attack, max_ms=MAX_STALL_MS)
    watched.check("2,000 unreadable bodies at one moment", max_stall_ms=MAX_STALL_MS, stall_ms=stall_ms)
