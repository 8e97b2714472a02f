import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks.callback_secrets import CALLBACK_SECRETS
from tests.kit.callbacks import ID_KEY, Processes, SentCampaign, send_campaign
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.provider.correlation_ids import CorrelationIds


@pytest.fixture
def ids() -> CorrelationIds:
    return CorrelationIds(ID_KEY.encode())


@pytest.fixture
async def sent(redis: Redis, ids: CorrelationIds) -> SentCampaign:
    return await send_campaign(redis, ids)


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """The lines that are logged during the test."""
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end()


@pytest.fixture(scope="session")
def receiver_url(redis_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real receiver on the session's Redis, for tests that do it no harm."""
    started = Processes(tmp_path_factory.mktemp("receiver"))
    _, url = started.receiver(redis_server.url)
    with SyncRedis.from_url(redis_server.url) as redis:
        while not redis.exists(CALLBACK_SECRETS):  # later tests compare the keys in Redis
            time.sleep(0.01)
    yield url
    started.end()


@pytest.fixture
async def http(receiver_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=receiver_url, timeout=60) as client:
        yield client
