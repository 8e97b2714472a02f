"""Tokens of providers, shared by all processes: opaque to Redis, which keeps each until it ends."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import LockError, RedisError

T = TypeVar("T")


class Tokens:
    """The ``TokenStore`` of OAuth tokens in Redis, under the keys ``token:*``, which an ACL can keep others from.

    Values come encrypted. Every method raises ConnectionError, an OSError, if Redis is away.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, name: str) -> tuple[bytes, float] | None:
        """Return a value and the seconds that it has left; None if there is none."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(_key(name))
            pipe.pttl(_key(name))
            value, left_ms = await _or_away(pipe.execute())
        return (value, left_ms / 1000) if value is not None and left_ms > 0 else None

    async def write(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Keep a value for so long, in place of the one before."""
        await _or_away(self._redis.set(_key(name), value, px=max(1, round(ttl_s * 1000))))

    @asynccontextmanager
    async def lock(self, name: str, *, ttl_s: float) -> AsyncIterator[bool]:
        """Enter with True for one caller at a time among all processes, with False for the others."""
        lock = self._redis.lock(f"{_key(name)}:lock", timeout=ttl_s, blocking=False, thread_local=False)
        is_mine = await _or_away(lock.acquire())
        try:
            yield is_mine
        finally:
            if is_mine:
                with suppress(LockError, RedisError):  # it ends by itself
                    await lock.release()


def _key(name: str) -> str:
    return f"token:{name}"


async def _or_away(call: Awaitable[T]) -> T:
    try:
        return await call
    except RedisError as error:
        raise ConnectionError(type(error).__name__) from error
