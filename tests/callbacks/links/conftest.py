from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis

from tests.kit.links import LinkedCampaign, application, serving_links, submit_with_links


@pytest.fixture
async def campaign(redis: Redis) -> LinkedCampaign:
    """Three messages with two links each, and opt-out at the links."""
    return await submit_with_links(redis, has_opt_out=True)


@pytest.fixture
async def client(redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_links(application(redis)) as http:
        yield http
