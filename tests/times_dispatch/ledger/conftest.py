"""Fixtures of the ledger's tests."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop
from redis.asyncio import Redis

from tests.kit.ledger import Ledger
from tests.kit.ledger_machine.clock import machine_clock
from tests.kit.second_tries import Tries


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests on uvloop, like the processes that use the ledger; uvloop is faster than the loop of asyncio."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def ledger(redis: Redis) -> AsyncIterator[Ledger]:
    """An empty ledger; at the end of the test its counters must add up."""
    ledger = Ledger(redis)
    yield ledger
    await ledger.assert_counters_add_up()


@pytest.fixture
async def tries(redis: Redis) -> AsyncIterator[Tries]:
    """Second tries on a stopped clock; at the end of the test the counters must add up."""
    with machine_clock(redis) as clock:
        ledger = Ledger(redis)
        yield Tries(ledger, clock)
        await ledger.assert_counters_add_up()
