"""Forwards a copy of each report and click of our messages to another system, in order for each message."""

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import aiohttp
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, WatchError

from callbacks.dead_letters import DeadLetter, DeadLetterReason, DeadLetters
from callbacks.relay.forward_queue import ForwardLimits, ForwardQueue, QueuedEvent, body_of
from callbacks.relay.relay_poster import TIMEOUT, PostResult, RelayPoster
from callbacks.retry_loop import run_forever
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.keys import FORWARD_OWNER
from times_dispatch.ledger.numbers.hidden_numbers import Hide
from times_dispatch.ledger.reports.forward_backlog import LANES, ForwardCount
from times_dispatch.log_sums import LogSums
from times_dispatch.retry import Backoff

log = structlog.get_logger(__name__)

_RELEASE_WITHIN_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class ForwarderLimits:
    """How many events a forwarder posts together, and how long it waits."""

    max_rows: int = 500
    """Events in one post."""
    max_body_bytes: int = 256 * 1024
    """Bytes of the rows in one post; a longer row is posted alone."""
    head_events: int = 2_000
    """Events at the head of a lane that are read while messages fail alone: the events of these messages stay there."""
    max_blocked: int = 50
    """How many messages of a lane may fail alone while others succeed. If more messages fail, the lane waits."""
    max_suspects: int = 3
    """How many messages of a lane may fail alone while no post succeeds: the host may be at fault, not the messages."""
    idle_s: float = 0.5
    """How many seconds pass before an empty lane is read again."""
    first_wait_s: float = 1.0
    max_wait_s: float = 60.0
    """The wait of a lane after a failed post, in seconds, doubles from ``first_wait_s`` up to this maximum."""
    first_message_wait_s: float = 1.0
    max_message_wait_s: float = 1_800.0
    """The wait of a message that fails alone, in seconds, doubles from ``first_message_wait_s`` up to this maximum."""
    lease_ms: int = 15_000
    """For how many milliseconds one process is the only forwarder; after its death, another process takes over."""
    renew_every_s: float = 4.0


_DEFAULT_LIMITS: Final = ForwarderLimits()


@dataclass
class _Blocked:
    """A message whose post fails while posts about other messages succeed."""

    backoff: Backoff
    due_s: float


@dataclass
class _Lane:
    """The state of a lane between two posts."""

    number: int
    rows: int
    """How many events the next post may have: fewer after a post that failed or was refused, to find the cause."""
    backoff: Backoff
    failing_since_s: float | None = None
    blocked: dict[str, _Blocked] = field(default_factory=dict)
    """By correlation id."""


class Forwarder:
    """Posts the events of the queue. Any number of processes may run one; one of them forwards at a time.

    An event is posted at least once. Events of one message are posted in order: an event is posted only after all
    earlier events of its message were taken or refused, or together with these events. A post that fails (no
    connection, no answer, 408, 425, 429 or 5xx) is repeated with growing waits. A post that is refused (any other
    status but 2xx) is split, and the events that are refused alone become dead letters. A post that fails while others
    succeed is split too: a message that fails alone waits, and the other messages are posted.
    """

    def __init__(
        self,
        redis: Redis,
        url: str,
        *,
        queue_limits: ForwardLimits | None = None,
        limits: ForwarderLimits = _DEFAULT_LIMITS,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
        hide: Hide | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        """Make a forwarder.

        Args:
            redis: the Redis with the queue.
            url: the address to which events are posted; the address may hold a secret.
            queue_limits: how much may wait in the queue; None takes the default limits.
            limits: how many events are posted together, and how long the forwarder waits.
            timeout: how long a post may take.
            hide: replaces forgotten phone numbers in refused copies before they are kept.
            clock: the clock of the waits.
            rng: shortens the waits at random.
        """
        self._redis = redis
        self._queue = ForwardQueue(redis, limits=queue_limits, clock=clock)
        self._poster = RelayPoster(redis, url, timeout=timeout, clock=clock)
        self._dead_letters = DeadLetters(redis, hide=hide)
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._name = secrets.token_hex(8)
        self._sums = LogSums(log)

    async def run(self, stop: asyncio.Event) -> None:
        """Forward until the stop is set."""
        async with self._poster:
            await run_forever(partial(self._step, stop), stop, clock=self._clock, rng=self._rng)
        self._sums.flush()

    async def _step(self, stop: asyncio.Event) -> None:
        """Forward as long as this process holds the lease; wait if another process holds the lease."""
        if not await self._redis.set(FORWARD_OWNER, self._name, nx=True, px=self._limits.lease_ms):
            await self._clock.wait(stop, self._limits.renew_every_s)
            return
        await self._poster.prepare()
        ended = asyncio.Event()
        lanes = [asyncio.create_task(self._run_lane(self._new_lane(number), ended)) for number in range(LANES)]
        try:
            while not stop.is_set() and await self._renew():
                if dropped := await self._queue.drop_old():
                    log.error("reports were not forwarded in time and are dropped", events=dropped)
                await self._clock.wait(stop, self._limits.renew_every_s)
        finally:
            ended.set()
            await asyncio.gather(*lanes)
            await self._release()

    async def _renew(self) -> bool:
        """Prolong the lease of this process; return False if another process forwards."""
        return await self._if_owner(lambda pipe: pipe.pexpire(FORWARD_OWNER, self._limits.lease_ms))

    async def _release(self) -> None:
        """Give up the lease, so that another process may forward at once. Raises nothing: the lease runs out anyway."""
        with suppress(RedisError, OSError):
            async with self._clock.timeout(_RELEASE_WITHIN_S):
                await self._if_owner(lambda pipe: pipe.delete(FORWARD_OWNER))

    async def _if_owner(self, command: Callable[[Pipeline], object]) -> bool:
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(FORWARD_OWNER)
            owner: Any = await pipe.get(FORWARD_OWNER)
            if owner != self._name.encode():
                return False
            pipe.multi()  # type: ignore[no-untyped-call]  # redis-py has no types here
            command(pipe)
            with suppress(WatchError):
                await pipe.execute()
                return True
        return False

    def _new_lane(self, number: int) -> _Lane:
        limits = self._limits
        backoff = Backoff(first_s=limits.first_wait_s, max_s=limits.max_wait_s, rng=self._rng)
        return _Lane(number, limits.max_rows, backoff)

    async def _run_lane(self, lane: _Lane, ended: asyncio.Event) -> None:
        await run_forever(partial(self._post_next, lane, ended), ended, clock=self._clock, rng=self._rng)

    async def _post_next(self, lane: _Lane, ended: asyncio.Event) -> None:
        """Post the next events of a lane; wait if there are none, or if the post fails."""
        looked_at = self._limits.head_events if lane.blocked else lane.rows
        events = self._choose(lane, await self._queue.head(lane.number, looked_at))
        if not events:
            await self._clock.wait(ended, self._limits.idle_s)
            return
        contents = [event.content for event in events]
        posting = asyncio.create_task(self._poster.post(body_of(contents), via=contents[0].via))
        stopped = asyncio.create_task(ended.wait())
        try:
            await asyncio.wait({posting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not posting.done():  # a host that hangs must not hold up the end of the process
                return
        finally:
            stopped.cancel()
            if not posting.done():
                posting.cancel()
        result = posting.result()
        self._sums.info("reports forwarded", **{result.name.lower(): len(events)})
        if result is PostResult.TAKEN:
            await self._queue.remove(lane.number, events, count=ForwardCount.TAKEN)
            self._note_success(lane, contents[0].meta)
        elif result is PostResult.REFUSED:
            await self._settle_refused(lane, events)
        else:
            await self._clock.wait(ended, self._wait_after_failure(lane, events))

    def _choose(self, lane: _Lane, head: Sequence[QueuedEvent]) -> list[QueuedEvent]:
        """Return the events of the next post, in order: of one blocked message that is due, or of other messages."""
        now = self._clock.monotonic()
        waiting = {event.content.meta for event in head}
        lane.blocked = {meta: blocked for meta, blocked in lane.blocked.items() if meta in waiting}
        due = next((meta for meta, blocked in lane.blocked.items() if blocked.due_s <= now), None)
        if due:
            candidates = [event for event in head if event.content.meta == due]
        else:
            candidates = [event for event in head if event.content.meta not in lane.blocked]
        chosen, size = list[QueuedEvent](), 0
        for event in candidates[: lane.rows]:
            size += len(event.content.row)
            if chosen and (size > self._limits.max_body_bytes or event.content.via != chosen[0].content.via):
                break
            chosen.append(event)
        return chosen

    def _note_success(self, lane: _Lane, meta: str) -> None:
        lane.rows = min(2 * lane.rows, self._limits.max_rows)
        lane.blocked.pop(meta, None)
        lane.backoff.reset()
        if lane.failing_since_s is not None:  # the host could not be reached: the blocked messages may not be at fault
            lane.failing_since_s = None
            for blocked in lane.blocked.values():
                blocked.due_s = self._clock.monotonic()

    async def _settle_refused(self, lane: _Lane, events: Sequence[QueuedEvent]) -> None:
        """Make a dead letter of an event that was refused alone; halve the next post if several events were refused."""
        if len(events) > 1:
            lane.rows = len(events) // 2
            return
        letters = [DeadLetter(DeadLetterReason.FORWARD_REFUSED, body_of([event.content])) for event in events]
        await self._dead_letters.add(letters)
        await self._queue.remove(lane.number, events, count=ForwardCount.REFUSED)

    def _wait_after_failure(self, lane: _Lane, events: Sequence[QueuedEvent]) -> float:
        """Return how long the lane waits, in seconds; make the next post shorter, or block a message."""
        limits, now, meta = self._limits, self._clock.monotonic(), events[0].content.meta
        if (blocked := lane.blocked.get(meta)) is not None:
            blocked.due_s = now + blocked.backoff.next_s()
            return 0.0
        if lane.failing_since_s is None:
            lane.failing_since_s = now
        others_succeed = self._poster.taken_at_s > lane.failing_since_s
        if len(events) > 1:
            lane.rows = len(events) // 2
        elif len(lane.blocked) < (limits.max_blocked if others_succeed else limits.max_suspects):
            backoff = Backoff(first_s=limits.first_message_wait_s, max_s=limits.max_message_wait_s, rng=self._rng)
            lane.blocked[meta] = _Blocked(backoff, now + backoff.next_s())
            if others_succeed:
                lane.failing_since_s = None
        return limits.first_wait_s if others_succeed else lane.backoff.next_s()
