"""A process from its start to its end."""

import asyncio
import gc
import os
import signal
import weakref
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.kit.clock import FakeClock
from times_dispatch.process import GARBAGE_EVERY_S, MAX_LEFT_OUT, collect_garbage, run_until_signalled
from times_dispatch.process_refused import ProcessRefused


@pytest.fixture(autouse=True)
async def _own_signals() -> AsyncIterator[None]:
    yield
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_all_loops_end_what_is_under_way(number: signal.Signals) -> None:
    ended: list[str] = []

    async def run(name: str, stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(0)
        ended.append(name)

    running = asyncio.create_task(
        run_until_signalled(lambda stop: run("first", stop), lambda stop: run("second", stop))
    )
    await asyncio.sleep(0)
    os.kill(os.getpid(), number)
    await asyncio.wait_for(running, 30)
    assert ended == ["first", "second"]


async def test_a_refused_process_ends_its_loops_in_order_and_exits_with_2(capfd: pytest.CaptureFixture[str]) -> None:
    ended: list[str] = []

    async def refuse(_stop: asyncio.Event) -> None:
        raise ProcessRefused("start the newer version")

    async def run(stop: asyncio.Event) -> None:
        await stop.wait()
        ended.append("well")

    with pytest.raises(SystemExit) as exit_:
        await run_until_signalled(run, refuse)
    assert (exit_.value.code, ended) == (2, ["well"])
    assert capfd.readouterr().err == "start the newer version\n"


async def test_a_loop_that_does_not_end_in_time_is_cancelled_and_the_others_have_ended() -> None:
    clock, ended = FakeClock(), list[str]()

    async def hang(stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def stop_well(stop: asyncio.Event) -> None:
        await stop.wait()
        ended.append("well")

    with capture_logs() as lines:
        running = asyncio.create_task(run_until_signalled(hang, stop_well, stop_within_s=4.0, clock=clock))
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        while not ended:
            await asyncio.sleep(0.001)
        await clock.advance(3.9)
        assert not running.done()
        await clock.advance(0.1)
        await asyncio.wait_for(running, 30)
    assert ended == ["well", "cancelled"]
    assert [(line["log_level"], line["after_s"]) for line in lines] == [("warning", 4.0)]


async def test_a_loop_that_ends_by_itself_ends_the_others() -> None:
    stopped = False

    async def end(stop: asyncio.Event) -> None:
        await asyncio.sleep(0)

    async def wait(stop: asyncio.Event) -> None:
        nonlocal stopped
        await stop.wait()
        stopped = True

    await asyncio.wait_for(run_until_signalled(end, wait), 30)
    assert stopped


async def test_an_error_that_a_loop_raises_ends_the_others_and_is_raised() -> None:
    async def fail(stop: asyncio.Event) -> None:
        raise ValueError("a bug")

    async def wait(stop: asyncio.Event) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(run_until_signalled(fail, wait), 30)
    assert raised.group_contains(ValueError)


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


async def test_garbage_in_cycles_is_collected_at_intervals_while_automatic_collections_are_rare() -> None:
    clock, stop, before = FakeClock(), asyncio.Event(), gc.get_threshold()
    running = asyncio.create_task(collect_garbage(stop, threshold=(90_000, 50, 100), clock=clock))
    await asyncio.sleep(0)
    left = weakref.ref(_Cycle())
    threshold = gc.get_threshold()
    await clock.advance(GARBAGE_EVERY_S - 1.0)
    is_left_before = left() is not None
    await clock.advance(1.0)
    is_left_after = left() is not None
    stop.set()
    await asyncio.wait_for(running, 30)

    assert (is_left_before, is_left_after) == (True, False)
    assert (threshold, gc.get_threshold()) == ((90_000, 50, 100), before)


async def test_a_busy_process_leaves_garbage_collections_out_but_not_without_end() -> None:
    clock, stop = FakeClock(), asyncio.Event()
    running = asyncio.create_task(collect_garbage(stop, threshold=(90_000, 50, 100), is_busy=lambda: True, clock=clock))
    await asyncio.sleep(0)
    left = weakref.ref(_Cycle())
    for _ in range(MAX_LEFT_OUT):
        await clock.advance(GARBAGE_EVERY_S)
    is_left_before = left() is not None
    await clock.advance(GARBAGE_EVERY_S)
    is_left_after = left() is not None
    stop.set()
    await asyncio.wait_for(running, 30)

    assert (is_left_before, is_left_after) == (True, False)
