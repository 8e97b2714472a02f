"""Clicks tracked links like recipients: fetches some of the links in accepted texts, and counts each redirect."""

import asyncio
import heapq
import re
from collections.abc import Callable

import aiohttp

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.sandbox.bookkeeping.entries import ReportEntry
from times_dispatch.sandbox.config import ClicksConfig
from times_dispatch.sandbox.http.submission import Submission
from times_dispatch.sandbox.seeded_random import SeededRandom

_USER_AGENT = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
_PATH = r"(/(?:[A-Za-z]{3,6}|[0-9]{6})/[0-9A-Za-z]{11})"
_CLICKED, _DELAY, _CLICKS = 0, 1, 2
_NEXT_CLICK_S = 0.1
_LOOK_EVERY_S = 0.05


class Clicker:
    """Plans clicks on the links of accepted messages, and makes them when they are due."""

    def __init__(
        self,
        config: ClicksConfig,
        seeded_random: SeededRandom,
        session: aiohttp.ClientSession,
        enter: Callable[[ReportEntry], None],
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Create a clicker; ``run`` makes it work.

        Args:
            config: the share of clicked links, the number of clicks, and their delays.
            seeded_random: decides which messages are clicked.
            session: the HTTP client.
            enter: called for each click that was answered with a redirect.
            clock: the clock of the delays.
        """
        self._config = config
        self._random = seeded_random
        self._session = session
        self._enter = enter
        self._clock = clock
        self._link = re.compile(re.escape(config.domain) + _PATH)
        self._planned: list[tuple[float, str, str, int]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """The number of clicks that are planned or running."""
        return len(self._planned) + len(self._under_way)

    def plan(self, submission: Submission) -> None:
        """Plan the clicks on a message that was accepted for the first time, if the message's recipient clicks."""
        if not self._config.url or not (link := self._link.search(submission.text)):
            return
        draws = self._random.draws(submission.correlation_id, purpose=b"clicks")
        if draws[_CLICKED] < self._config.share:
            config = self._config
            delay_ms = config.delay_min_ms + draws[_DELAY] * (config.delay_max_ms - config.delay_min_ms)
            for click in range(1 + int(draws[_CLICKS] * config.max_clicks)):
                self._push(delay_ms / 1000 + click * _NEXT_CLICK_S, submission.correlation_id, link[1], 0)

    async def run(self) -> None:
        """Click links when they are due, until cancelled."""
        while True:
            now = self._clock.monotonic()
            while self._planned and self._planned[0][0] <= now and len(self._under_way) < self._config.concurrency:
                _, meta, path, tries = heapq.heappop(self._planned)
                task = asyncio.create_task(self._click(meta, path, tries))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            await self._clock.sleep(_LOOK_EVERY_S)

    def clear(self) -> None:
        """Drop the clicks that are not running."""
        self._planned.clear()

    async def _click(self, meta: str, path: str, tries: int) -> None:
        """Fetch a link, and try again if there is no answer."""
        try:
            async with self._session.get(
                self._config.url + path, allow_redirects=False, headers={"User-Agent": _USER_AGENT}
            ) as response:
                status, visit = response.status, response.headers.get("X-Request-Id", "")
        except (aiohttp.ClientError, TimeoutError):
            status, visit = 503, ""
        if status == 302:
            self._enter(ReportEntry("clicked", meta, "", "own", visit))
        elif status >= 500 and tries < self._config.retries:
            self._push(1.0, meta, path, tries + 1)

    def _push(self, delay_s: float, meta: str, path: str, tries: int) -> None:
        heapq.heappush(self._planned, (self._clock.monotonic() + delay_s, meta, path, tries))
