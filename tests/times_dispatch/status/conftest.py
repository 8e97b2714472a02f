"""Fixtures of the tests of the status."""

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import Ledger


@pytest.fixture
async def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)
