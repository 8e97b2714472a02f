"""OAuth tokens in Redis, shared by all processes, so that ten workers request one token from the provider."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import LockError, RedisError

from times_dispatch.ledger.keys import TOKENS

T = TypeVar("T")


class RedisTokenStore:
    """Implements ``provider.oauth.token_store.TokenStore`` on the keys ``token:*``, to which an ACL can limit access.

    Values are encrypted by the caller. Every method raises ConnectionError, an OSError, if Redis is unavailable.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, name: str) -> tuple[bytes, float] | None:
        """Return a value and its remaining lifetime in seconds; None if no value is stored."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(_key(name))
            pipe.pttl(_key(name))
            value, left_ms = await _raising_connection_error(pipe.execute())
        return (value, left_ms / 1000) if value is not None and left_ms > 0 else None

    async def write(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Store a value for *ttl_s* seconds, in place of the previous value."""
        await _raising_connection_error(self._redis.set(_key(name), value, px=max(1, round(ttl_s * 1000))))

    @asynccontextmanager
    async def lock(self, name: str, *, ttl_s: float) -> AsyncIterator[bool]:
        """Enter with True for one caller at a time among all processes, with False for the others."""
        lock = self._redis.lock(f"{_key(name)}:lock", timeout=ttl_s, blocking=False, thread_local=False)
        acquired = await _raising_connection_error(lock.acquire())
        try:
            yield acquired
        finally:
            if acquired:
                with suppress(LockError, RedisError):  # the lock expires
                    await lock.release()


def _key(name: str) -> str:
    return f"{TOKENS}:{name}"


async def _raising_connection_error(call: Awaitable[T]) -> T:
    try:
        return await call
    except RedisError as error:
        raise ConnectionError(type(error).__name__) from error
