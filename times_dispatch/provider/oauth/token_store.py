"""The store of tokens, through which all processes share one token."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from times_dispatch.clock import SYSTEM_CLOCK, Clock


class TokenStore(Protocol):
    """Stores opaque, encrypted values by key until they expire. All methods raise OSError if the store is unavailable.

    Two processes that share a store:

        async with store.lock("other:1a2b", ttl_s=20) as is_mine:
            if is_mine:
                await store.write("other:1a2b", encrypted, ttl_s=3540)
    """

    async def read(self, name: str) -> tuple[bytes, float] | None:
        """Return a value and the seconds until it expires; None if there is none."""

    async def write(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Store a value for ``ttl_s`` seconds; replace the previous value."""

    def lock(self, name: str, *, ttl_s: float) -> AbstractAsyncContextManager[bool]:
        """Enter with True for one caller at a time; enter at once with False for all others.

        The lock expires after ``ttl_s`` seconds, in case its holder died.
        """


class InMemoryTokenStore:
    """A store inside this process: for a command that sends one message, and for tests."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._values: dict[str, tuple[bytes, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def read(self, name: str) -> tuple[bytes, float] | None:
        """Return a value and the seconds until it expires; None if there is none."""
        value, expires_at = self._values.get(name, (b"", 0.0))
        left_s = expires_at - self._clock.monotonic()
        return (value, left_s) if left_s > 0 else None

    async def write(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Store a value for ``ttl_s`` seconds; replace the previous value."""
        self._values[name] = (value, self._clock.monotonic() + ttl_s)

    @asynccontextmanager
    async def lock(self, name: str, *, ttl_s: float) -> AsyncIterator[bool]:  # noqa: ARG002  # dies with its holder
        """Enter with True for one task of this process at a time; enter at once with False for all others."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        if lock.locked():
            yield False
            return
        async with lock:
            yield True
