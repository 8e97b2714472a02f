"""Clicks on tracked links: one links process answers each click with a redirect, after Redis has the click."""

import asyncio
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import uvloop
from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.usage import Meter
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.keys import REPORTS
from times_dispatch.ledger.model import CampaignId, LinkTarget, Plan, Recipients, SenderId, TrackedLinks
from times_dispatch.ledger.secret_digest import digest_secret
from times_dispatch.ledger.submission import Submissions
from times_dispatch.ledger.tracked_links import LINK_KEY_PURPOSE, LinkNumbers
from times_dispatch.links.codes import LinkCodes
from times_dispatch.provider.correlation_ids import new_campaign_id

MESSAGES = 400_000
CLICKS = 30_000
CONNECTIONS = 64
_BATCH = 1_000
_SENDER = SenderId("BNAAAA")
_KEY = secrets.token_bytes(24).hex()
_SETTINGS = """
[providers.times]
preset = "timesmobile-post"
default = true

[senders.BNAAAA]
category = "service"

[links]
url = "go.brand.in"
"""
_TARGETS = [
    LinkTarget("same", ["https://shop.example/sale"]),
    LinkTarget("own", ["https://shop.example/sale?u=", ""], [0]),
]
_HEADERS = b"Host: go.brand.in\r\nUser-Agent: Mozilla/5.0 (Linux; Android 14)\r\n\r\n"
_BODY_BYTES = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)\r\n")
_CODES = 100_000
_LINK_OF_EACH_ROW = 1
_WARM_UP_CLICKS = 2_000
_FIRST = "first click on a batch"


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure links with one target, links with a value of the row, first clicks on batches, and codes."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(appendonly=True, directory=Path(folder)) as redis:
        port = free_port()
        process = _links_process(Path(folder), redis.url, port)
        process.start()
        try:
            rates, cpu_us, first_us = uvloop.run(_measure(redis.url, port, process, say))
        finally:
            process.stop()
    names = ("redirects, one target", "redirects, a target of each row")
    measured = [
        Figure(name=name, value=rate, unit="/s", must=must, aim=5_000, note=f"{CONNECTIONS} connections, one process")
        for name, rate, must in zip(names, rates, (2_500, 1_500), strict=True)
    ]
    cpu = Figure(name="CPU per redirect", value=cpu_us, unit="µs", better="less", aim=200, note="the links process")
    batches = MESSAGES // _BATCH
    note = f"CPU of the links process, {batches} batches of {_BATCH:,} messages"
    first = Figure(name=_FIRST, value=first_us, unit="µs", better="less", must=1_500, aim=500, note=note)
    return [
        *measured,
        cpu,
        first,
        Figure(name="code of a link", value=_code_us(), unit="µs", better="less", must=40, aim=10),
    ]


def _links_process(folder: Path, redis_url: str, port: int) -> Process:
    (folder / "dispatch.toml").write_text(_SETTINGS)
    environment = {
        **clean_environment(),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "DISPATCH_SETTINGS": str(folder / "dispatch.toml"),
        "DISPATCH_REDIS_URL": redis_url,
        "DISPATCH_ID_KEY": "k" * 32,
        "DISPATCH_LINK_KEY": _KEY,
        "DISPATCH_LINKS_LISTEN": f"127.0.0.1:{port}",
    }
    return Process("links", [sys.executable, "-m", "callbacks.links"], environment=environment, folder=folder)


async def _measure(
    redis_url: str, port: int, process: Process, say: Callable[[str], None]
) -> tuple[list[float], float, float]:
    """Return the redirects per second for each link, and the CPU time of a redirect and of a first redirect, in µs."""
    async with Redis.from_url(redis_url) as redis:
        say(f"{MESSAGES:,} messages with links")
        number = await _submit(redis)
        await _wait_until_ready(f"http://127.0.0.1:{port}/ready")
        codes, rates = LinkCodes(_KEY.encode(), _SENDER), list[float]()
        await _click_all(port, [_path(codes, number, index, 0) for index in range(_WARM_UP_CLICKS)])
        say(f"a click on each of {MESSAGES // _BATCH:,} batches")
        meter = Meter([process])
        paths = [_path(codes, number, first, _LINK_OF_EACH_ROW) for first in range(0, MESSAGES, _BATCH)]
        await _click_all(port, paths)
        first_us = meter.cpu_s()[process.name] / len(paths) * 1e6
        meter = Meter([process])
        for link in range(len(_TARGETS)):
            say(f"{CLICKS:,} clicks on link {link + 1}")
            paths = [_path(codes, number, click * 7_919 % MESSAGES, link) for click in range(CLICKS)]
            began = time.monotonic()
            await _click_all(port, paths)
            rates.append(CLICKS / (time.monotonic() - began))
            await redis.delete(REPORTS)
        cpu_us = meter.cpu_s()[process.name] / (len(_TARGETS) * CLICKS) * 1e6
    return rates, cpu_us, first_us


def _path(codes: LinkCodes, number: int, index: int, link: int) -> bytes:
    return f"/{_SENDER}/{codes.make(number, index, link)}".encode()


async def _click_all(port: int, paths: list[bytes]) -> None:
    """Fetch links over all connections; raise AssertionError unless each link is redirected."""
    parts = [paths[first::CONNECTIONS] for first in range(CONNECTIONS)]
    statuses = sum(await asyncio.gather(*(_click(port, part) for part in parts)), Counter[int]())
    redirects = statuses.pop(httpx.codes.FOUND, 0)
    if redirects != len(paths):
        others = ", ".join(f"{number:,} got {status}" for status, number in sorted(statuses.items()))
        raise AssertionError(f"{redirects:,} of {len(paths):,} clicks were redirected; {others}")


async def _submit(redis: Redis) -> int:
    submissions, campaign = Submissions(redis), CampaignId(new_campaign_id())
    await submissions.claim(campaign, _SENDER, campaign)
    number = await LinkNumbers(redis).number(_SENDER, campaign)
    links = TrackedLinks(
        prefix=f"go.brand.in/{_SENDER}/",
        targets=_TARGETS,
        key_digest=digest_secret(_KEY.encode(), purpose=LINK_KEY_PURPOSE),
        number=number,
    )
    plan = Plan(
        name="clicks",
        sender=_SENDER,
        provider="times",
        template="t",
        content_id="1",
        text="Hi",
        category="service",
        valid_until_ms=4_000_000_000_000,
        tracked_links=links,
    )
    await submissions.begin(campaign, plan, batch_size=_BATCH)
    for batch_number, first in enumerate(range(0, MESSAGES, _BATCH)):
        indexes = range(first, first + _BATCH)
        phones, values = [f"91{9_000_000_000 + index}" for index in indexes], [f"C{index:08}" for index in indexes]
        batch = Recipients(first, phones, list(indexes), [], [1] * _BATCH, {}, [values])
        await submissions.add_batch(campaign, _SENDER, batch_number, batch)
    await submissions.seal(campaign, _SENDER, total=MESSAGES, batches=MESSAGES // _BATCH)
    return number


async def _wait_until_ready(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while True:
            try:
                if (await client.get(url)).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.05)


async def _click(port: int, paths: list[bytes]) -> Counter[int]:
    """Fetch links one after the other on one connection; return how many answers had each status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses = Counter[int]()
    for path in paths:
        writer.write(b"GET %b HTTP/1.1\r\n" % path + _HEADERS)
        head = await reader.readuntil(b"\r\n\r\n")
        body_bytes = _BODY_BYTES.search(head)
        await reader.readexactly(int(body_bytes[1]) if body_bytes else 0)
        statuses[int(head.split(maxsplit=2)[1])] += 1
    writer.close()
    return statuses


def _code_us() -> float:
    codes = LinkCodes(_KEY.encode(), _SENDER)
    began = time.process_time()
    for index in range(_CODES):
        codes.make(1, index, 0)
    return (time.process_time() - began) / _CODES * 1e6
