"""Pages that stay open for a long time neither leak nor stall, and they recover after every interruption.

A console with a fast clock sends in minutes the events of hours; the page handles each event as usual.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from playwright.sync_api import Browser, Page
from redis import Redis as SyncRedis
from redis.exceptions import RedisError

from tests.kit.background import repeating
from tests.kit.browser import needs_chromium, running_chromium, visiting
from tests.kit.fast_console import FastConsole
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from tests.kit.waiting import wait_until
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.states import MessageState

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("console-day"), needs_chromium]

SPEED = 40
"""The factor of the clock: a reading every 12 ms instead of 0.5 s, and a new stream after 90 s instead of an hour."""
MESSAGES = 40
WARM_UP_EVENTS = 500
EVENTS = 3_000
"""Events that are swapped into each of the two pages between the two measurements."""
_WITHIN_S = 900.0
_until = partial(wait_until, within_s=_WITHIN_S)
_REST_S = 8.0
_COUNT = """
window.swapped = 0;
document.addEventListener("htmx:sseMessage", () => { window.swapped += 1; });
"""


class Size(NamedTuple):
    """The objects that a tab holds."""

    nodes: float
    listeners: float
    heap: float
    """Bytes of the JavaScript heap after a garbage collection."""


@pytest.fixture
def redis_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(appendonly=True, appendfsync="always") as server:
        yield server


async def _submit(url: str) -> None:
    async with connect(url) as redis:
        await Ledger(redis).submit(MESSAGES)


@pytest.fixture
def running(redis_server: EmbeddedServer, tmp_path: Path) -> Iterator[FastConsole]:
    with ThreadPoolExecutor(1) as executor:  # the event loop of Playwright runs in this thread
        executor.submit(asyncio.run, _submit(redis_server.url)).result()
    console = FastConsole(redis_server.url, tmp_path, speed=SPEED)
    try:
        console.start()
        yield console
    finally:
        console.process.stop()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@contextmanager
def _messages_moving(server: EmbeddedServer) -> Iterator[None]:
    """Change the states of messages forth and back continuously, so that each reading differs from the last reading."""
    numbers = count(1)
    with (
        SyncRedis.from_url(server.url) as redis,
        repeating(lambda: _show_delivered(redis, next(numbers) % MESSAGES), every_s=0.005),
    ):
        yield


def _show_delivered(redis: "SyncRedis", number: int) -> None:
    states = (MessageState.PENDING.value, MESSAGES - number, MessageState.DELIVERED.value, number)
    redis.hset(campaign_key(SENDER, CAMPAIGN), items=list(states))


def _size(page: Page) -> Size:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return Size(metrics["Nodes"], metrics["JSEventListeners"], metrics["JSHeapUsedSize"])


def _swapped(page: Page, number: int) -> bool:
    return int(page.evaluate("window.swapped")) >= number


def _swap(pages: Sequence[Page], events: int, server: EmbeddedServer) -> None:
    """Return when at least this many events have been swapped into each page."""
    for page in pages:
        page.evaluate("window.swapped = 0")
    with _messages_moving(server):
        for page in pages:
            _until(lambda page=page: _swapped(page, events), "a stream that moves the page")  # type: ignore[misc]


def _size_at_rest(page: Page) -> Size:
    """Return the smallest size of a tab within some seconds, because a busy machine delays the garbage collection."""
    smallest, until = _size(page), time.monotonic() + _REST_S
    while time.monotonic() < until:
        time.sleep(1)
        smallest = Size(*map(min, smallest, _size(page)))
    return smallest


def _delivered(page: Page) -> str:
    row = page.locator('[sse-swap="states"] tbody tr', has_text="delivered")
    return row.locator("td").first.inner_text() if row.count() else "0"


def test_an_open_page_holds_as_much_after_thousands_of_events_as_before(
    browser: Browser, running: FastConsole, redis_server: EmbeddedServer
) -> None:
    process = psutil.Process(running.process.pid)
    with visiting(browser, running, "operator") as now, visiting(browser, running, "viewer") as campaign:
        pages = (now.page, campaign.page)
        campaign.go(f"/campaigns/{CAMPAIGN}")
        for page in pages:
            page.evaluate(_COUNT)
        _swap(pages, WARM_UP_EVENTS, redis_server)
        before, memory_before = [_size_at_rest(page) for page in pages], process.memory_info().rss
        _swap(pages, EVENTS, redis_server)
        after, memory_after = [_size_at_rest(page) for page in pages], process.memory_info().rss
        for first, last in zip(before, after, strict=True):
            # 3,000 leaked nodes would be more.
            assert last.nodes <= first.nodes * 1.25 + 400, (before, after)
            assert last.listeners <= first.listeners * 1.25 + 40, (before, after)
            assert last.heap <= first.heap + 1_000_000, (before, after)
        assert memory_after <= memory_before + 12_000_000, (memory_before, memory_after)
        with SyncRedis.from_url(redis_server.url) as redis:
            _show_delivered(redis, 33)
        _until(lambda: _delivered(campaign.page) == "33", "the last number on the page")
        # A stream ends after an hour: the browser reports the end with this word, and opens another stream.
        assert {*now.complaints, *campaign.complaints} <= {"[object Event]"}


def test_a_page_comes_back_after_the_console_and_redis_were_killed_and_started_again(
    browser: Browser, running: FastConsole, redis_server: EmbeddedServer
) -> None:
    with visiting(browser, running, "viewer") as visit, SyncRedis.from_url(redis_server.url) as redis:
        visit.go(f"/campaigns/{CAMPAIGN}")
        visit.page.evaluate(_COUNT)
        _until(lambda: _swapped(visit.page, 10), "a stream")
        visit.page.evaluate("window.swapped = -1; window.stays = true")
        for number in (7, 8):
            running.process.kill()
            visit.page.locator("#connection").wait_for(state="visible", timeout=_WITHIN_S * 1000)
            assert "No connection since" in visit.page.locator("#connection").inner_text()
            _show_delivered(redis, number)
            running.start()
            _until(lambda number=number: _delivered(visit.page) == str(number), "a stream after the restart")  # type: ignore[misc]
            visit.page.locator("#connection").wait_for(state="hidden", timeout=_WITHIN_S * 1000)
        redis_server.kill()
        note = visit.page.locator('[sse-swap="ledger"]', has_text="Redis does not answer")
        note.wait_for(timeout=_WITHIN_S * 1000)
        redis_server.start()
        _until(lambda: _moved(redis, 9), "Redis to come back")
        _until(lambda: _delivered(visit.page) == "9", "the number after Redis came back")
        note.wait_for(state="detached", timeout=_WITHIN_S * 1000)
        assert visit.page.evaluate("window.stays") is True  # the page was never reloaded


def _moved(redis: "SyncRedis", number: int) -> bool:
    try:
        _show_delivered(redis, number)
    except RedisError:
        return False
    return True
