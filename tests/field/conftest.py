from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis

from tests.kit.receiver import receiving


@pytest.fixture
async def http(redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    async with receiving(redis) as client:
        yield client
