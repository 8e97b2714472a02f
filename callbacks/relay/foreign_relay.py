"""Posts reports about messages of another system, which uses the same account, to that system (docs/domain.md)."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetter, DeadLetterReason, DeadLetters
from callbacks.relay.relay_poster import PostResult, RelayPoster
from callbacks.retry_loop import run_forever
from callbacks.stream_reader import Entry, StreamReader
from callbacks.streams import DEFAULT_STREAM_LIMITS, RELAY, MeasuredStream, fields_of, raise_first
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.keys import RELAYS
from times_dispatch.ledger.numbers.hidden_numbers import Hide
from times_dispatch.ledger.reports.posted_requests import read_request
from times_dispatch.log_sums import LogSums
from times_dispatch.retry import Backoff

log = structlog.get_logger(__name__)

GROUP: Final = RELAYS

MAX_WAITING: Final = 100_000
"""Bodies that may wait for the relay's host; further bodies become dead letters."""
_ENTRY_BYTES: Final = 200
"""The memory of an entry besides its body and its request."""


@dataclass(frozen=True, kw_only=True)
class RelayLimits:
    """How many bodies a relay posts at the same time, and how often it tries a body."""

    posts_at_once: int = 16
    max_tries: int = 24
    """With the waits of ``retry_after_ms``, the last try is about nine hours after the first."""
    block_ms: int = 1_000
    """How long one read waits for a new body."""
    claim_every_s: float = 2.0
    """How often the relay looks for bodies that are to be tried again, and for bodies that dead relays held."""
    max_pause_s: float = 60.0
    """The longest pause between two groups of posts while none succeeds."""


_DEFAULT_LIMITS: Final = RelayLimits()


def retry_after_ms(tries: int) -> int:
    """Return the wait after this many tries of a body, in ms: 20 s, doubled with each try, at most half an hour."""
    return min(20_000 << min(tries - 1, 10), 1_800_000)


async def enqueue(
    redis: Redis,
    bodies: Sequence[bytes],
    requests: Sequence[bytes] = (),
    *,
    via: bytes = b"",
    max_waiting: int = MAX_WAITING,
    max_bytes: int = DEFAULT_STREAM_LIMITS.max_relay_bytes,
    measured: MeasuredStream | None = None,
) -> list[DeadLetter]:
    """Add bodies to the relay's stream; return the bodies for which there is no room, as dead letters.

    Args:
        redis: where the stream is.
        bodies: the posted bodies.
        requests: for each body, the request in which it was posted (``posted_requests``); if empty, none was kept.
        via: the relays of other ledgers through which the bodies came.
        max_waiting: how many bodies the stream may hold.
        max_bytes: how many bytes the stream may take; no body is added beyond that.
        measured: measures the stream; None measures it in this call.

    Raises Redis errors.
    """
    if not bodies:
        return []
    waiting: int = await redis.xlen(RELAY)
    room = max(0, max_waiting - waiting)
    measured = measured or MeasuredStream(redis, RELAY)
    added = sum(map(len, bodies)) + sum(map(len, requests)) + _ENTRY_BYTES * len(bodies)
    if not await measured.has_room(added, entries=waiting, max_bytes=max_bytes):
        room = 0
    posts = list(zip(bodies, requests or [b""] * len(bodies), strict=True))
    if posts[:room]:
        measured.add(added)
        async with redis.pipeline(transaction=False) as pipe:
            for body, request in posts[:room]:
                pipe.xadd(RELAY, fields_of(body, via, request=request))
            raise_first(await pipe.execute(raise_on_error=False))
    return [DeadLetter(DeadLetterReason.RELAY_FULL, body, request=request) for body, request in posts[room:]]


class ForeignRelay:
    """Posts the bodies of its stream to one URL, each in the request in which it was posted (``posted_requests``).

    Any number of processes may do so together.

    A body is posted at least once, and again if the response was lost. After a failed connection or the status 408,
    425, 429 or 5xx the body is posted again, with growing waits; after any other status but 2xx it becomes a dead
    letter at once. While no post succeeds, only a few bodies are tried, at growing intervals, and the others wait in
    the stream, so that a host that is unavailable for long costs little.
    """

    def __init__(
        self,
        redis: Redis,
        url: str,
        *,
        name: str | None = None,
        limits: RelayLimits = _DEFAULT_LIMITS,
        retry_after_ms: Callable[[int], int] = retry_after_ms,
        hide: Hide | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        """Make a relay.

        Args:
            redis: the Redis with the stream.
            url: the address to which the bodies are posted; the address may hold a secret.
            name: the name of this process among the relays; None makes a name.
            limits: how many bodies the relay posts at the same time, and how often it tries a body.
            retry_after_ms: how many milliseconds after its last try a body is tried again, by the number of its tries.
            hide: replaces forgotten phone numbers in bodies before they are posted or kept.
            clock: the clock that the pauses use.
            rng: shortens the pauses at random.
        """
        self._poster = RelayPoster(redis, url, clock=clock)
        self._reader = StreamReader(redis, RELAY, GROUP, name, hide=hide, clock=clock)
        self._dead_letters = DeadLetters(redis, hide=hide)
        self._limits = limits
        self._sums = LogSums(log)
        self._retry_after_ms = retry_after_ms
        self._clock = clock
        self._rng = rng
        self._claim_at = clock.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until the stop is set."""
        max_pause_s = self._limits.max_pause_s
        backoff = Backoff(first_s=min(1.0, max_pause_s), max_s=max_pause_s, rng=self._rng)
        async with self._poster:

            async def step() -> None:
                await self._poster.prepare()
                entries = await self._next_entries()
                posts = (
                    self._poster.post(entry.payload, via=entry.via, request=read_request(entry.request))
                    for entry in entries
                )
                results = await asyncio.gather(*posts)
                await self._finish(entries, results)
                if PostResult.FAILED in results and PostResult.TAKEN not in results:
                    await self._clock.wait(stop, backoff.next_s())
                else:
                    backoff.reset()

            await run_forever(step, stop, clock=self._clock, rng=self._rng)
        self._sums.flush()
        await self._reader.release()

    async def _next_entries(self) -> list[Entry]:
        limits = self._limits
        if self._clock.monotonic() >= self._claim_at:
            due = await self._reader.claim(limits.posts_at_once, self._retry_after_ms)
            if due:
                return due
            self._claim_at = self._clock.monotonic() + limits.claim_every_s
        return await self._reader.read(limits.posts_at_once, block_ms=limits.block_ms)

    async def _finish(self, entries: Sequence[Entry], results: Sequence[PostResult]) -> None:
        """Finish the bodies that were taken or refused, or have failed too often; leave the others in the stream.

        A body in the stream is claimed and posted again after ``retry_after_ms``.
        """
        if not entries:
            return
        finished: list[bytes] = []
        dead_letters: list[DeadLetter] = []
        for entry, result in zip(entries, results, strict=True):
            if result is PostResult.REFUSED:
                dead_letters.append(DeadLetter(DeadLetterReason.RELAY_REFUSED, entry.payload, request=entry.request))
            elif result is PostResult.FAILED and entry.deliveries >= self._limits.max_tries:
                dead_letters.append(DeadLetter(DeadLetterReason.RELAY_FAILED, entry.payload, request=entry.request))
            elif result is PostResult.FAILED:
                continue
            finished.append(entry.id)
        await self._dead_letters.add(dead_letters)
        await self._reader.finish(finished)
        self._sums.info(
            "reports relayed",
            taken=results.count(PostResult.TAKEN),
            refused=results.count(PostResult.REFUSED),
            failed=results.count(PostResult.FAILED),
        )
