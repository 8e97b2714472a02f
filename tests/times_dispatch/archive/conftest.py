"""Fixtures of the archive's tests."""

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import Ledger


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    """A ledger whose counters the tests compare with the archive."""
    return Ledger(redis)
