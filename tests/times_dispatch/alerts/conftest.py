"""Fixtures of the tests of alerts."""

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import Ledger
from tests.kit.webhook import Webhook, running_webhook


@pytest.fixture
async def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """An HTTP server that records what apprise posts."""
    with running_webhook() as running:
        yield running
