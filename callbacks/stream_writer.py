"""Stores the bodies that the receiver gets: all that arrive during a write share the next write (group commit)."""

import asyncio
from collections import deque
from collections.abc import MutableSequence
from typing import Any, Final, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callbacks.streams import REPORTS, fields_of, pack, pack_requests
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.tls_options import connection_problem

log = structlog.get_logger(__name__)


class NotStored(Exception):
    """A body may not be in the stream; the provider must post it again."""


class _TooFewReplicas(RedisError):
    """The body is in the stream of the primary only, and a failover would lose it."""


class _WaitingBody(NamedTuple):
    body: bytes
    via: bytes
    request: bytes
    stored: asyncio.Future[None]

    @property
    def size(self) -> int:
        return len(self.body) + len(self.request)


MAX_FAILED: Final = 32
"""How many bodies fail in one turn of the event loop. Their requests are answered in the next turn, in a few
milliseconds.
"""


class ReportStreamWriter:
    """Writes posted bodies to the stream ``reports``; ``put`` returns when the body is stored.

    A write begins at once while the receiver is idle, and costs little per body while the receiver is busy. When a
    write fails, the bodies that wait for the next write fail too, so that no request waits much longer than the
    time-out. A body whose write failed may still be in the stream. Reports may be applied more than once, so posting
    the body again does no harm.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        timeout_s: float = 3.0,
        max_group_bytes: int = 128 * 1024,
        max_held_bytes: int = 64 * 1024 * 1024,
        wait_for_replicas: int = 0,
        replicas_within_s: float = 0.2,
        from_links: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a writer.

        Args:
            redis: the Redis with the stream.
            timeout_s: seconds that one write may take.
            max_group_bytes: bytes of bodies in one write; a longer body is written alone.
            max_held_bytes: bytes of bodies that may wait to be stored; ``put`` refuses more.
            wait_for_replicas: how many replicas must have a body before it counts as stored.
            replicas_within_s: seconds that a write waits for the replicas.
            from_links: whether the bodies are visits of tracked links, whose ids are true (``streams.FROM_LINKS``).
            clock: times the writes.
        """
        self._wait_for_replicas = wait_for_replicas
        self._replicas_within_ms = round(replicas_within_s * 1000)
        self._redis = redis
        self._timeout_s = timeout_s
        self._max_group_bytes = max_group_bytes
        self._max_held_bytes = max_held_bytes
        self._from_links = from_links
        self._clock = clock
        self._held_bytes = 0
        self._waiting: deque[_WaitingBody] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._refused = 0
        """Bodies that failed since the last write that succeeded."""

    async def put(self, body: bytes, *, via: bytes = b"", request: bytes = b"") -> None:
        """Return once the body is in the stream; raise ``NotStored`` if the body may not be in the stream.

        Args:
            body: the JSON that was posted.
            via: the relays of other ledgers through which the body came (``streams.VIA``).
            request: the request in which the body was posted; empty if the body says everything (``posted_requests``).
        """
        size = len(body) + len(request)
        if self._held_bytes + size > self._max_held_bytes:
            raise NotStored("too much is waiting to be stored")
        stored = asyncio.get_running_loop().create_future()
        self._held_bytes += size
        self._waiting.append(_WaitingBody(body, via, request, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        try:
            await stored
        finally:
            self._held_bytes -= size

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._write(self._next_group())
        finally:
            self._writing = None
            self._fail(self._waiting)

    def _next_group(self) -> list[_WaitingBody]:
        group = [self._waiting.popleft()]
        size = group[0].size
        while (
            self._waiting
            and self._waiting[0].via == group[0].via
            and (size := size + self._waiting[0].size) <= self._max_group_bytes
        ):
            group.append(self._waiting.popleft())
        return group

    async def _write(self, group: list[_WaitingBody]) -> None:
        try:
            async with self._clock.timeout(self._timeout_s):
                payload = pack([waiting.body for waiting in group])
                request = pack_requests([waiting.request for waiting in group])
                await self._add(fields_of(payload, group[0].via, from_links=self._from_links, request=request))
        except (RedisError, OSError) as error:
            self._log_failure(error, len(group) + len(self._waiting))
            self._fail(self._waiting)
        else:
            for waiting in group:
                if not waiting.stored.done():
                    waiting.stored.set_result(None)
            group.clear()
            if self._refused:
                log.info("reports are stored again", refused=self._refused)
                self._refused = 0
        finally:
            self._fail(group)

    async def _add(self, fields: dict[Any, Any]) -> None:
        if not self._wait_for_replicas:
            await self._redis.xadd(REPORTS, fields)
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(REPORTS, fields)
            pipe.wait(self._wait_for_replicas, self._replicas_within_ms)
            _, replicas = await pipe.execute()
        if replicas < self._wait_for_replicas:
            raise _TooFewReplicas

    def _log_failure(self, error: Exception, bodies: int) -> None:
        if not self._refused:
            log.error("reports cannot be stored; posts are answered with 503", error=connection_problem(error))
        self._refused += bodies

    @staticmethod
    def _fail(group: MutableSequence[_WaitingBody]) -> None:
        if not group:
            return
        failed = deque(group)
        group.clear()
        _fail_in_turns(failed)


def _fail_in_turns(failed: deque[_WaitingBody]) -> None:
    """Let bodies fail: some now, the others in later turns of the event loop, in which their requests are answered."""
    for _ in range(min(len(failed), MAX_FAILED)):
        waiting = failed.popleft()
        if not waiting.stored.done():
            waiting.stored.set_exception(NotStored("the reports could not be stored"))
    if failed:
        asyncio.get_running_loop().call_soon(_fail_in_turns, failed)
