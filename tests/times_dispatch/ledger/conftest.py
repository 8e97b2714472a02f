"""Fixtures of the ledger's tests."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import Ledger


@pytest.fixture
async def ledger(redis: Redis) -> AsyncIterator[Ledger]:
    """An empty ledger; at the end of the test its books must balance."""
    ledger = Ledger(redis)
    yield ledger
    await ledger.assert_counters_add_up()
