"""Posts due delivery reports, several rows in one POST; repeats a POST after a 5xx, never after a 4xx."""

import asyncio
import logging
from collections.abc import Callable

import aiohttp
import msgspec
import structlog

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.log_sums import LogSums
from times_dispatch.retry import Backoff, retry
from times_dispatch.sandbox.bookkeeping.entries import ReportEntry
from times_dispatch.sandbox.config import ReportsConfig
from times_dispatch.sandbox.delivery_reports import report_body
from times_dispatch.sandbox.delivery_reports.delay_queue import DelayQueue, in_batches
from times_dispatch.sandbox.delivery_reports.reports import ReportRow, plan
from times_dispatch.sandbox.seeded_random import SeededRandom

log = structlog.wrap_logger(
    logging.getLogger(__name__),
    processors=[structlog.processors.LogfmtRenderer(key_order=["event"])],
    wrapper_class=structlog.stdlib.BoundLogger,
)

_EARLY_TIMEOUT_S = 2.0
"""How long, in seconds, a push waits for the acknowledgement of its early report."""


class PostCounters(msgspec.Struct):
    """Counts of POSTs, as ``/sandbox/books`` shows them."""

    acknowledged: int = 0
    repeated: int = 0
    refused: int = 0
    """The number of POSTs that were abandoned because of a response below 500 that is not 2xx."""
    exhausted: int = 0
    """The number of POSTs that were abandoned after the last repetition."""
    rows_lost: int = 0
    """The number of rows in abandoned POSTs; the receiver may still have taken some of the rows."""


class _NotAcknowledged(Exception):
    """A POST got a 5xx or no response, and may be repeated."""


def open_session(config: ReportsConfig) -> aiohttp.ClientSession:
    """Return the HTTP client for the POSTs."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=config.timeout_ms / 1000),
        headers={"Content-Type": "application/json"},
    )


class Poster:
    """Plans the report rows of accepted messages and posts them until the receiver acknowledges them."""

    def __init__(
        self,
        config: ReportsConfig,
        seeded_random: SeededRandom,
        session: aiohttp.ClientSession,
        acknowledge: Callable[[ReportEntry], None],
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Create a poster; ``run`` makes it work.

        Args:
            config: the URL, the delays, the repetitions and the shares of rows.
            seeded_random: determines the rows of a message.
            session: the HTTP client.
            acknowledge: called for each row that the receiver acknowledged.
            clock: the clock of the delays and of the times in rows.
        """
        self._config = config
        self._random = seeded_random
        self._acknowledge = acknowledge
        self._clock = clock
        self._delayed = DelayQueue()
        self._batches: asyncio.Queue[list[ReportRow]] = asyncio.Queue()
        self._rows_under_way = 0
        self._session = session
        self._sums = LogSums(log)
        self.posts = PostCounters()
        self.is_held = False
        """Whether due rows are held back."""

    @property
    def pending(self) -> int:
        """The number of rows that are planned or being posted."""
        return len(self._delayed) + self._rows_under_way

    async def run(self) -> None:
        """Post rows when they are due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue_due_rows())
            for _ in range(self._config.concurrency):
                tasks.create_task(self._post_batches())

    def plan(self, meta: str, *, is_first: bool = False) -> list[ReportRow]:
        """Plan the rows of an accepted message; return the rows to post before the push is answered.

        *is_first* says whether the message is the first message of its campaign to its number.
        """
        if not self._config.url:
            return []
        planned = plan(meta, self._config, self._random, is_first=is_first)
        now_s = self._clock.monotonic()
        for delay_s, row in planned.later:
            self._delayed.push(now_s + delay_s, row)
        if not self.is_held:
            return planned.early
        for row in planned.early:
            self._delayed.push(now_s, row)
        return []

    def resume(self, meta: str, *, is_first: bool = False) -> None:
        """Plan the rows of a message that was accepted before a restart."""
        self._queue(self.plan(meta, is_first=is_first))

    async def post_early(self, rows: list[ReportRow]) -> None:
        """Post ``rows`` now and wait for the response; without an acknowledgement in time, queue the rows."""
        self._rows_under_way += len(rows)
        try:
            async with asyncio.timeout(_EARLY_TIMEOUT_S):
                status = await self._send(self._body(rows))
        except TimeoutError:
            status = 0
        finally:
            self._rows_under_way -= len(rows)
        if 200 <= status < 300:
            self.posts.acknowledged += 1
            self._note_acknowledged(rows)
        else:
            self._queue(rows)

    async def flush(self) -> None:
        """Post all pending rows now, and wait until each row is acknowledged or abandoned."""
        self._queue(self._delayed.pop_due(float("inf")))
        await self._batches.join()

    def clear(self) -> None:
        """Drop the rows that are not being posted, and reset the counters."""
        self._delayed.clear()
        self.posts = PostCounters()

    def _queue(self, rows: list[ReportRow]) -> None:
        self._rows_under_way += len(rows)
        for batch in in_batches(rows, self._config.batch_max):
            self._batches.put_nowait(batch)

    async def _queue_due_rows(self) -> None:
        while True:
            if not self.is_held:
                self._queue(self._delayed.pop_due(self._clock.monotonic()))
            await self._clock.sleep(self._config.batch_wait_ms / 1000)

    async def _post_batches(self) -> None:
        while True:
            batch = await self._batches.get()
            try:
                await self._post(batch)
            finally:
                self._batches.task_done()

    async def _post(self, rows: list[ReportRow]) -> None:
        try:
            if await self._is_acknowledged(rows):
                self._note_acknowledged(rows)
            else:
                self.posts.rows_lost += len(rows)
        finally:
            self._rows_under_way -= len(rows)

    def _note_acknowledged(self, rows: list[ReportRow]) -> None:
        for row in rows:
            self._acknowledge(ReportEntry(row.event.value, row.meta, row.code, row.origin.value))

    async def _is_acknowledged(self, rows: list[ReportRow]) -> bool:
        """Post rows until they are acknowledged, refused or abandoned; return whether they are acknowledged."""
        body, config = self._body(rows), self._config
        first_ms = min(config.backoff_ms, config.backoff_max_ms)
        repetitions = 0

        async def post() -> int:
            status = await self._send(body)
            if status == 0 or status >= 500:
                raise _NotAcknowledged
            return status

        def count_repetition(error: Exception) -> None:
            nonlocal repetitions
            if repetitions == config.retries:
                raise error
            repetitions += 1
            self.posts.repeated += 1

        try:
            status = await retry(
                post,
                on=(_NotAcknowledged,),
                backoff=Backoff(first_s=first_ms / 1000, max_s=config.backoff_max_ms / 1000),
                before_wait=count_repetition,
                clock=self._clock,
            )
        except _NotAcknowledged:
            self.posts.exhausted += 1
            self._sums.add("warning", "gave up posting reports", rows=len(rows), attempts=repetitions + 1)
            return False
        if 200 <= status < 300:
            self.posts.acknowledged += 1
            return True
        self.posts.refused += 1
        self._sums.add("warning", "the receiver refused reports", status=str(status), rows=len(rows))
        return False

    def _body(self, rows: list[ReportRow]) -> bytes:
        return report_body.encode(rows, now_s=int(self._clock.time()))

    async def _send(self, body: bytes) -> int:
        """Send one POST; return the HTTP status, or 0 without a response."""
        try:
            async with self._session.post(self._config.url, data=body, allow_redirects=False) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0
