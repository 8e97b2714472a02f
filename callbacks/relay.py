"""Hands reports of messages that another system sent through the same account on to it (docs/domain.md section 3)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final

import aiohttp
import structlog
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetterRow, DeadLetters, Reason
from callbacks.retry_loop import Backoff, run_forever
from callbacks.streams import BODY, RELAY, Entry, Reader, raise_first

log = structlog.get_logger(__name__)

GROUP: Final = "relays"

MOST_WAITING: Final = 100_000
"""Bodies; what comes beyond it is set aside."""

AT_ONCE: Final = 16
BLOCK_MS: Final = 1_000
LOOK_FOR_DUE_EVERY_S: Final = 2.0
TIMEOUT: Final = aiohttp.ClientTimeout(total=15.0, connect=5.0)

MOST_TRIES: Final = 24
"""About nine hours with the waits of ``wait_ms``."""

_NOT_NOW = frozenset({408, 425, 429})


def wait_ms(tries: int) -> int:
    """Return how long after its n-th try a body is tried again: from 20 s, doubling, to half an hour."""
    return min(20_000 << min(tries - 1, 10), 1_800_000)


async def queue(redis: Redis, bodies: Sequence[bytes]) -> list[DeadLetterRow]:
    """Put bodies on their way; return those to set aside instead, because too much is waiting. Raises redis errors."""
    if not bodies:
        return []
    waiting: int = await redis.xlen(RELAY)
    room = max(0, MOST_WAITING - waiting)
    if bodies[:room]:
        async with redis.pipeline(transaction=False) as pipe:
            for body in bodies[:room]:
                pipe.xadd(RELAY, {BODY: body})
            raise_first(await pipe.execute(raise_on_error=False))
    return [DeadLetterRow(Reason.RELAY_FULL, body) for body in bodies[room:]]


class _Sent(Enum):
    TAKEN = auto()
    REFUSED = auto()
    FAILED = auto()
    """Not, or not known to be: to be tried again."""


class Relay:
    """Posts what is queued to one URL; any number of processes may.

    At least once: a body whose answer was lost is posted again. A 5xx, 408, 425 or 429 and a failed connection are
    tried again with growing waits; any other answer but a 2xx sets the body aside at once. While nothing gets
    through, only a few bodies are tried, at growing intervals: a dead host costs nothing, and the queue waits in its
    stream. Redirects are not followed, and the URL is never logged.
    """

    def __init__(
        self,
        redis: Redis,
        url: str,
        *,
        name: str | None = None,
        longest_pause_s: float = 60.0,
        wait_ms: Callable[[int], int] = wait_ms,
    ) -> None:
        self._url = url
        self._reader = Reader(redis, RELAY, GROUP, name)
        self._set_aside = DeadLetters(redis)
        self._longest_pause_s = longest_pause_s
        self._wait_ms = wait_ms
        self._look_for_due_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until told to stop."""
        pause = Backoff(stop, first_s=min(1.0, self._longest_pause_s), longest_s=self._longest_pause_s)
        async with aiohttp.ClientSession(timeout=TIMEOUT, headers={"content-type": "application/json"}) as session:

            async def step() -> None:
                entries = await self._next()
                results = await asyncio.gather(*(self._post(session, entry.payload) for entry in entries))
                await self._settle(entries, results)
                if results and _Sent.FAILED in results and _Sent.TAKEN not in results:
                    await pause.wait()
                else:
                    pause.reset()

            await run_forever(step, stop)
        await self._reader.leave()

    async def _next(self) -> list[Entry]:
        if time.monotonic() >= self._look_for_due_at:
            due = await self._reader.claim(AT_ONCE, self._wait_ms)
            if due:
                return due
            self._look_for_due_at = time.monotonic() + LOOK_FOR_DUE_EVERY_S
        return await self._reader.read(AT_ONCE, block_ms=BLOCK_MS)

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> _Sent:
        try:
            async with session.post(self._url, data=body, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return _Sent.FAILED
        if 200 <= status < 300:
            return _Sent.TAKEN
        return _Sent.FAILED if status >= 500 or status in _NOT_NOW else _Sent.REFUSED

    async def _settle(self, entries: Sequence[Entry], results: Sequence[_Sent]) -> None:
        if not entries:
            return
        over: list[bytes] = []
        aside: list[DeadLetterRow] = []
        for entry, result in zip(entries, results, strict=True):
            if result is _Sent.REFUSED:
                aside.append(DeadLetterRow(Reason.RELAY_REFUSED, entry.payload))
            elif result is _Sent.FAILED and entry.deliveries >= MOST_TRIES:
                aside.append(DeadLetterRow(Reason.RELAY_FAILED, entry.payload))
            elif result is _Sent.FAILED:
                continue
            over.append(entry.id)
        await self._set_aside.add(aside)
        await self._reader.done(over)
        log.info(
            "reports relayed",
            taken=results.count(_Sent.TAKEN),
            refused=results.count(_Sent.REFUSED),
            failed=results.count(_Sent.FAILED),
        )
