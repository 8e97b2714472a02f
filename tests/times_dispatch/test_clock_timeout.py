"""Time-outs of ``async with`` blocks, by the system's clock and by the tests' clock."""

import asyncio

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.clock import SYSTEM_CLOCK


async def test_a_block_that_takes_too_long_raises_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with SYSTEM_CLOCK.timeout(0.01):
            await asyncio.Event().wait()


async def test_a_block_times_out_when_the_tests_clock_says_so_and_not_before() -> None:
    clock = FakeClock()

    async def hang() -> None:
        async with clock.timeout(3):
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await clock.advance(2.9)
    assert not hanging.done()
    await clock.advance(0.1)
    with pytest.raises(TimeoutError):
        await hanging


async def test_a_block_that_ends_in_time_is_left_alone_later() -> None:
    clock = FakeClock()
    async with clock.timeout(3):
        pass
    await clock.advance(10)
