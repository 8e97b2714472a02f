import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from redis.asyncio import Redis

from tests.kit.waiting import eventually
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.tokens import RedisTokenStore
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_cache import TokenCache
from times_dispatch.provider.oauth.token_store import TokenStore

NAME = "other:1a2b"


async def test_a_value_is_kept_for_its_time_and_no_longer(redis: Redis) -> None:
    tokens: TokenStore = RedisTokenStore(redis)
    assert await tokens.read(NAME) is None
    await tokens.write(NAME, b"sealed", ttl_s=60)
    stored = await tokens.read(NAME)
    assert stored is not None
    assert stored[0] == b"sealed"
    assert 59 < stored[1] <= 60

    await tokens.write(NAME, b"next", ttl_s=0.02)
    await eventually(lambda: _is_gone(redis, f"token:{NAME}"))
    assert await tokens.read(NAME) is None


async def test_all_its_keys_can_be_kept_from_others_by_their_beginning(redis: Redis) -> None:
    tokens = RedisTokenStore(redis)
    await tokens.write(NAME, b"sealed", ttl_s=60)
    async with tokens.lock(NAME, ttl_s=5) as acquired:
        assert acquired
        assert {text(key) for key in await redis.keys()} == {f"token:{NAME}", f"token:{NAME}:lock"}


async def test_one_caller_has_the_lock_at_a_time_and_no_other_waits(redis: Redis) -> None:
    first, second = RedisTokenStore(redis), RedisTokenStore(redis)
    async with first.lock(NAME, ttl_s=5) as acquired, second.lock(NAME, ttl_s=5) as acquired_too:
        assert (acquired, acquired_too) == (True, False)
    async with second.lock(NAME, ttl_s=5) as acquired_then:
        assert acquired_then


async def test_the_lock_of_a_dead_holder_expires(redis: Redis) -> None:
    dead = RedisTokenStore(redis).lock(NAME, ttl_s=0.05)
    assert await dead.__aenter__()
    await eventually(lambda: _is_gone(redis, f"token:{NAME}:lock"))
    async with RedisTokenStore(redis).lock(NAME, ttl_s=5) as acquired:
        assert acquired
        await dead.__aexit__(None, None, None)  # the late holder must not release the lock of another holder
        async with RedisTokenStore(redis).lock(NAME, ttl_s=5) as acquired_too:
            assert not acquired_too


async def _is_gone(redis: Redis, key: str) -> bool:
    return not await redis.exists(key)


async def test_redis_away_is_an_os_error() -> None:
    async with connect("redis://127.0.0.1:1/0", retries=0) as redis:
        tokens = RedisTokenStore(redis)
        with pytest.raises(OSError, match="ConnectionError"):
            await tokens.read(NAME)
        with pytest.raises(OSError, match="ConnectionError"):
            await tokens.write(NAME, b"x", ttl_s=1)
        with pytest.raises(OSError, match="ConnectionError"):
            async with tokens.lock(NAME, ttl_s=1):
                pass


class CountingStore(RedisTokenStore):
    """A store that counts how often its process asked for the lock."""

    locks = 0

    @asynccontextmanager
    async def lock(self, name: str, *, ttl_s: float) -> AsyncIterator[bool]:
        async with super().lock(name, ttl_s=ttl_s) as acquired:
            self.locks += 1
            yield acquired


async def test_ten_processes_that_start_together_ask_for_one_token(redis: Redis) -> None:
    asked = 0

    async def grant(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await eventually(_all_ask)
        return httpx.Response(200, json={"access_token": f"token-{asked}", "expires_in": 60})

    async def _all_ask() -> bool:
        return sum(store.locks for store in stores) >= 10

    stores = [CountingStore(redis) for _ in range(10)]
    credentials = ClientCredentials(token_url="https://sms.example/token", client_id="cid", client_secret="hush")
    caches = [
        TokenCache(
            "other",
            credentials,
            transport=httpx.MockTransport(grant),
            store=store,
            request_timeout_s=30,
            get_timeout_s=30,  # enough for a busy machine
        )
        for store in stores
    ]
    try:
        assert {*await asyncio.gather(*(cache.get() for cache in caches))} == {"Bearer token-1"}
        assert asked == 1
    finally:
        for cache in caches:
            await cache.aclose()
