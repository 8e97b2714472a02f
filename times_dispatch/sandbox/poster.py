"""Posts delivery reports: when they are due, several in one POST, again after a 5xx, never again after a 4xx."""

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import count

import aiohttp
import msgspec

from times_dispatch.sandbox import postback
from times_dispatch.sandbox.config import ReportsConfig
from times_dispatch.sandbox.due import DueRows, in_batches
from times_dispatch.sandbox.entries import ReportEntry
from times_dispatch.sandbox.reports import ReportRow, plan
from times_dispatch.sandbox.seeded_random import SeededRandom

log = logging.getLogger(__name__)

_EARLY_S = 2.0
"""A push waits no longer than this for its early report."""


class Posts(msgspec.Struct):
    """How posting went."""

    acknowledged: int = 0
    repeated: int = 0
    refused: int = 0
    """Given up because of an answer below 500 that is not 2xx."""
    exhausted: int = 0
    """Given up after the last repetition."""
    rows_lost: int = 0
    """Rows of the POSTs that were given up; the receiver may have taken some all the same."""


def open_session(config: ReportsConfig) -> aiohttp.ClientSession:
    """Make the client that posts."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=config.timeout_ms / 1000),
        headers={"Content-Type": "application/json"},
    )


class Poster:
    """Owns the rows from their plan to the receiver's answer."""

    def __init__(
        self,
        config: ReportsConfig,
        chance: SeededRandom,
        session: aiohttp.ClientSession,
        acknowledge: Callable[[ReportEntry], None],
    ) -> None:
        self._config = config
        self._chance = chance
        self._acknowledge = acknowledge
        self._due = DueRows()
        self._batches: asyncio.Queue[list[ReportRow]] = asyncio.Queue()
        self._unsettled = 0
        self._session = session
        self.posts = Posts()

    @property
    def pending(self) -> int:
        """Rows that are planned or on their way."""
        return len(self._due) + self._unsettled

    async def run(self) -> None:
        """Post what is due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick())
            for _ in range(self._config.concurrency):
                tasks.create_task(self._post_batches())

    def plan(self, meta: str) -> list[ReportRow]:
        """Plan the reports of an accepted message; the rows returned are to be posted before its push is answered."""
        if not self._config.url:
            return []
        planned = plan(meta, self._config, self._chance)
        now_s = time.monotonic()
        for delay_s, row in planned.later:
            self._due.add(now_s + delay_s, row)
        return planned.early

    def resume(self, meta: str) -> None:
        """Plan the reports of a message that was accepted before a restart."""
        self._hand_over(self.plan(meta))

    async def post_early(self, rows: list[ReportRow]) -> None:
        """Post ``rows`` now and wait for the answer; if there is none soon, they go the ordinary way."""
        self._unsettled += len(rows)
        try:
            async with asyncio.timeout(_EARLY_S):
                status = await self._send(postback.body(rows, now_s=int(time.time())))
        except TimeoutError:
            status = 0
        finally:
            self._unsettled -= len(rows)
        if 200 <= status < 300:
            self.posts.acknowledged += 1
            self._enter(rows)
        else:
            self._hand_over(rows)

    async def flush(self) -> None:
        """Post everything pending now, whenever it was due, and wait until it is acknowledged or given up."""
        self._hand_over(self._due.take(float("inf")))
        await self._batches.join()

    def clear(self) -> None:
        """Forget what is not on its way yet."""
        self._due.clear()
        self.posts = Posts()

    def _hand_over(self, rows: list[ReportRow]) -> None:
        self._unsettled += len(rows)
        for batch in in_batches(rows, self._config.batch_max):
            self._batches.put_nowait(batch)

    async def _tick(self) -> None:
        while True:
            self._hand_over(self._due.take(time.monotonic()))
            await asyncio.sleep(self._config.batch_wait_ms / 1000)

    async def _post_batches(self) -> None:
        while True:
            batch = await self._batches.get()
            try:
                await self._settle(batch)
            finally:
                self._batches.task_done()

    async def _settle(self, rows: list[ReportRow]) -> None:
        try:
            if await self._deliver(rows):
                self._enter(rows)
            else:
                self.posts.rows_lost += len(rows)
        finally:
            self._unsettled -= len(rows)

    def _enter(self, rows: list[ReportRow]) -> None:
        for row in rows:
            self._acknowledge(ReportEntry(row.event.value, row.meta, row.code, row.origin.value))

    async def _deliver(self, rows: list[ReportRow]) -> bool:
        body = postback.body(rows, now_s=int(time.time()))
        for attempt in count(1):
            status = await self._send(body)
            if 200 <= status < 300:
                self.posts.acknowledged += 1
                return True
            if 0 < status < 500:
                self.posts.refused += 1
                log.warning("the receiver refused %d report rows with HTTP %d", len(rows), status)
                return False
            if attempt > self._config.retries:
                break
            self.posts.repeated += 1
            await asyncio.sleep(min(self._config.backoff_max_ms, self._config.backoff_ms * 2 ** (attempt - 1)) / 1000)
        self.posts.exhausted += 1
        log.warning("gave up posting %d report rows after %d attempts", len(rows), self._config.retries + 1)
        return False

    async def _send(self, body: bytes) -> int:
        """POST once; 0 when there was no answer."""
        try:
            async with self._session.post(self._config.url, data=body, allow_redirects=False) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0
