"""What tests of workers may ask for: a provider that does as it is told, and a rig of ledger, provider and workers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.kit.workers import FakeProvider, WorkerRig


@pytest.fixture
async def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
async def rig(redis: Redis, provider: FakeProvider) -> AsyncIterator[WorkerRig]:
    """An empty rig; at the end of the test its books must balance, and no task may be left."""
    before = asyncio.all_tasks()
    rig = WorkerRig(redis, provider)
    yield rig
    await rig.check_balance()
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, left
