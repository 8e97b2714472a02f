"""Where a token is kept, so that many processes ask for one and not each for its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class TokenStore(Protocol):
    """Keeps opaque, encrypted values by name for a while. All methods raise OSError if the store is away.

    Two processes that share a store:

        async with store.alone("other:1a2b", longest_s=20) as is_mine:
            if is_mine:
                await store.write("other:1a2b", sealed, ttl_s=3540)
    """

    async def read(self, name: str) -> tuple[bytes, float] | None:
        """Return a value and the seconds that it has left; None if there is none."""

    async def write(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Keep a value for so long, in place of the one before."""

    def alone(self, name: str, *, longest_s: float) -> AbstractAsyncContextManager[bool]:
        """Enter with True for one caller at a time, with False, without waiting, for all others.

        It ends by itself after the longest time, in case its holder died.
        """


class OwnTokens:
    """A store that nobody shares: for a command that sends one message, and for tests."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._values: dict[str, tuple[bytes, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def read(self, name: str) -> tuple[bytes, float] | None:
        """Return what is still good."""
        value, until = self._values.get(name, (b"", 0.0))
        left_s = until - self._clock()
        return (value, left_s) if left_s > 0 else None

    async def write(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Keep it in memory."""
        self._values[name] = (value, self._clock() + ttl_s)

    @asynccontextmanager
    async def alone(self, name: str, *, longest_s: float) -> AsyncIterator[bool]:  # noqa: ARG002  # its holder is here
        """Exclude other tasks of this process."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        if lock.locked():
            yield False
            return
        async with lock:
            yield True
