import asyncio

import pytest

from console.shared_reading import SharedReading
from tests.kit.clock import FakeClock
from tests.kit.waiting import loop_turns


async def test_many_who_ask_at_once_cause_one_reading() -> None:
    async def read() -> int:
        await may_end.wait()
        return 7

    may_end = asyncio.Event()
    reading = SharedReading(read, clock=FakeClock())
    asking = asyncio.gather(*(reading.get() for _ in range(100)))
    await loop_turns()
    may_end.set()
    assert await asking == [7] * 100
    assert reading.readings == 1


async def test_an_error_goes_to_the_caller_and_the_next_caller_reads_again() -> None:
    calls = 0

    async def read() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError
        return calls

    reading = SharedReading(read, clock=FakeClock())
    with pytest.raises(ConnectionError):
        await reading.get()
    assert await reading.get() == 2


async def test_who_needs_a_newer_reading_says_how_old_it_may_be() -> None:
    clock, calls = FakeClock(), list[int]()

    async def read() -> int:
        calls.append(len(calls) + 1)
        return calls[-1]

    reading = SharedReading(read, fresh_s=1.0, clock=clock)
    assert await reading.get() == 1
    await clock.advance(0.6)
    assert await reading.get() == 1
    assert await reading.get(max_age_s=0.5) == 2
    assert await reading.get() == 2
