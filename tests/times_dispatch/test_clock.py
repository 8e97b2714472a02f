import asyncio
import time

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.clock import SYSTEM_CLOCK, Clock


@pytest.fixture(params=["system", "fake"])
def clock(request: pytest.FixtureRequest) -> Clock:
    return SYSTEM_CLOCK if request.param == "system" else FakeClock(auto=True)


async def test_a_sleep_takes_its_time_on_both_clocks(clock: Clock) -> None:
    monotonic, epoch = clock.monotonic(), clock.time()
    await clock.sleep(0.02)
    assert clock.monotonic() - monotonic >= 0.0199
    assert clock.time() - epoch >= 0.0199


async def test_a_wait_for_an_event_that_is_set_returns_true_at_once(clock: Clock) -> None:
    event = asyncio.Event()
    event.set()
    assert await clock.wait(event, 60)


async def test_a_wait_for_an_event_that_is_not_set_ends_at_its_time_out(clock: Clock) -> None:
    before = clock.monotonic()
    assert not await clock.wait(asyncio.Event(), 0.02)
    assert clock.monotonic() - before >= 0.0199


async def test_a_wait_ends_when_the_event_is_set() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await SYSTEM_CLOCK.wait(event, 60)


def test_the_system_clock_is_the_hosts() -> None:
    assert abs(SYSTEM_CLOCK.time() - time.time()) < 1


async def test_on_a_fake_clock_sleepers_wake_in_order_when_the_test_moves_it() -> None:
    clock, woken = FakeClock(), list[tuple[str, float]]()
    begin = clock.monotonic()

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic() - begin))

    tasks = [asyncio.create_task(sleeper(name, seconds)) for name, seconds in (("late", 5), ("early", 1))]
    await asyncio.sleep(0)
    await clock.advance(0.5)
    assert woken == []
    await clock.advance(10)
    await asyncio.gather(*tasks)
    assert woken == [("early", 1), ("late", 5)]
