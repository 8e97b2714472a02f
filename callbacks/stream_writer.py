"""The receiver's way to the stream: many requests at once, one durable write."""

import asyncio
from collections import deque
from collections.abc import MutableSequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callbacks.streams import BODY, REPORTS, pack

log = structlog.get_logger(__name__)

Waiting = tuple[bytes, asyncio.Future[None]]


class NotStored(Exception):
    """A body was not (or not known to be) written; whoever posted it must post it again."""


class ReportStreamWriter:
    """Writes bodies to the stream ``reports``, and says when they are there.

    While one write is on its way the bodies that arrive meanwhile gather for the next (group commit), so that a write
    is cheap under load and immediate without. Nobody waits much longer than ``patience_s``: when a write fails, all
    that were waiting behind it fail as well. A body whose write failed may be in the stream all the same; reports are
    applied idempotently, so posting it again does no harm.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        patience_s: float = 3.0,
        group_bytes: int = 128 * 1024,
        held_bytes: int = 128 * 1024 * 1024,
    ) -> None:
        self._redis = redis
        self._patience_s = patience_s
        self._group_bytes = group_bytes
        self._held_bytes = held_bytes
        self._held = 0
        self._waiting: deque[Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._refused = 0

    async def put(self, body: bytes) -> None:
        """Return when the body is in the stream; raises ``NotStored``."""
        if self._held + len(body) > self._held_bytes:
            raise NotStored("too much is waiting to be stored")
        written = asyncio.get_running_loop().create_future()
        self._held += len(body)
        self._waiting.append((body, written))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        try:
            await written
        finally:
            self._held -= len(body)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._write(self._next_group())
        finally:
            self._writer = None
            self._fail(self._waiting)

    def _next_group(self) -> list[Waiting]:
        group = [self._waiting.popleft()]
        size = len(group[0][0])
        while self._waiting and (size := size + len(self._waiting[0][0])) <= self._group_bytes:
            group.append(self._waiting.popleft())
        return group

    async def _write(self, group: list[Waiting]) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._redis.xadd(REPORTS, {BODY: pack([body for body, _ in group])})
        except (RedisError, OSError, TimeoutError) as error:
            self._note_failure(error, len(group) + len(self._waiting))
            self._fail(self._waiting)
        else:
            for _, written in group:
                if not written.done():
                    written.set_result(None)
            if self._refused:
                log.info("reports are stored again", refused=self._refused)
                self._refused = 0
        finally:
            self._fail(group)

    def _note_failure(self, error: Exception, requests: int) -> None:
        if not self._refused:
            log.error("reports cannot be stored; posters are asked to come again", error=type(error).__name__)
        self._refused += requests

    @staticmethod
    def _fail(group: MutableSequence[Waiting]) -> None:
        for _, written in group:
            if not written.done():
                written.set_exception(NotStored("the reports could not be stored"))
        group.clear()
