"""A continuous load of campaigns, and the longest time in which the provider got no message."""

import asyncio
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from redis.exceptions import RedisError

import times_dispatch.demo
from tests.kit.command_line import submit
from tests.upgrade.stack import MixedStack
from times_dispatch.demo import recipients
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.queries import Queries

_EVERY_S: Final = 0.1


class Gap(NamedTuple):
    """A time in which the provider got no message, although there were messages to send."""

    seconds: float
    during: str
    """The step of the walk in which the gap ended."""


class Load:
    """A context manager: submits campaigns of one sender, one after another, and watches the provider's books.

    Args:
        stack: The stack that sends the campaigns.
        messages: How many messages each campaign has.
    """

    def __init__(self, stack: MixedStack, messages: int) -> None:
        self._stack = stack
        self._messages = messages
        self.campaigns: list[CampaignId] = []
        self.accepted = 0
        self.gaps: list[Gap] = []
        """All gaps that are at least as long as the time between two readings of the books."""
        self._step = "before"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def left(self) -> int:
        """How many messages are submitted but not accepted."""
        return len(self.campaigns) * self._messages - self.accepted

    def begin(self, step: str) -> None:
        """Begin a step of the walk; submit another campaign if less than half a campaign is left to send."""
        self._step = step
        if self.left < self._messages / 2:
            number = len(self.campaigns)
            rows = self._stack.folder / f"upgrade-{number}.csv"
            recipients.write(rows, self._messages, seed=number + 1, wrong=False)
            file = Path(times_dispatch.demo.__file__).parent / "campaign.toml"
            self.campaigns.append(submit(self._stack, file, rows))

    def wait_for(self, accepted: int, *, within_s: float) -> None:
        """Wait until the provider has accepted this many messages."""
        until = time.monotonic() + within_s
        while self.accepted < accepted:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.accepted} of {accepted} messages arrived within {within_s:.0f} s")
            time.sleep(_EVERY_S)

    def longest(self, *, before: bool = False) -> Gap:
        """Return the longest gap of the walk, or of the time before the walk."""
        gaps = [gap for gap in self.gaps if (gap.during == "before") is before]
        return max(gaps, default=Gap(0.0, ""))

    def _watch(self) -> None:
        asyncio.run(self._watch_ledger())

    async def _watch_ledger(self) -> None:
        since = time.monotonic()
        async with connect(self._stack.redis.url) as redis:
            queries = Queries(redis)
            while not self._stop.wait(_EVERY_S):
                with suppress(httpx.HTTPError, RedisError):
                    since = await self._look(queries, since)

    async def _look(self, queries: Queries, since: float) -> float:
        """Read the ledger and the books; return since when nothing was accepted although there were messages to send.

        Messages that are suppressed are never accepted, so the ledger says whether there are messages to send.
        """
        had_work = any([(await queries.campaign(campaign)).unsent for campaign in self.campaigns[-2:]])
        accepted, now = int(self._stack.books()["all"]["accepted"]), time.monotonic()
        if accepted != self.accepted and self.accepted:
            self.gaps.append(Gap(now - since, self._step))
        if accepted != self.accepted or not had_work:
            since = now
        self.accepted = accepted
        return since

    def __enter__(self) -> "Load":
        self.begin("before")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(40)
