"""Fixtures of the tests of workers: a fake provider, a rig of ledger, provider and workers, and rounds of upkeep."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.kit.fake_provider import FakeProvider
from tests.kit.upkeep import Rounds
from tests.kit.workers import WorkerRig


@pytest.fixture
async def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
async def rig(redis: Redis, provider: FakeProvider) -> AsyncIterator[WorkerRig]:
    """An empty rig; at the end of the test its counters must add up, and no task may be left."""
    before = asyncio.all_tasks()
    rig = WorkerRig(redis, provider)
    yield rig
    await rig.check_counters()
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, left


@pytest.fixture
async def rounds(redis: Redis) -> Rounds:
    made = Rounds(redis)
    await made.pretend_rounds()
    return made
