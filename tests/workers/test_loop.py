import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from workers.loop import LoopStopped, LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    made = LoopThread()
    made.start()
    yield made
    made.stop()


async def _thread_name() -> str:
    return threading.current_thread().name


def test_many_threads_wait_while_one_loop_works(loop: LoopThread) -> None:
    all_wait = asyncio.Barrier(20)  # threads that wait one after another would never pass

    async def wait() -> str:
        async with asyncio.timeout(30), all_wait:
            return await _thread_name()

    with ThreadPoolExecutor(20) as threads:
        names = {call.result() for call in [threads.submit(lambda: loop.call(wait())) for _ in range(20)]}
    assert names == {"dispatch-loop"}


def test_an_error_of_a_coroutine_is_raised_in_the_thread_that_called(loop: LoopThread) -> None:
    async def fail() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        loop.call(fail())


def test_a_call_that_takes_too_long_is_cancelled_and_not_left_running(loop: LoopThread) -> None:
    ended = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        loop.call(hang(), timeout_s=0.05)
    assert ended.wait(30)


def test_a_stop_leaves_no_thread_waiting(loop: LoopThread) -> None:
    with ThreadPoolExecutor(1) as threads:
        began = threading.Event()

        async def hang() -> None:
            began.set()
            await asyncio.Event().wait()

        waiting = threads.submit(lambda: loop.call(hang()))
        assert began.wait(30)
        loop.stop()
        with pytest.raises(CancelledError):
            waiting.result(30)


def test_a_call_after_the_stop_is_refused_and_does_not_wait_for_ever(loop: LoopThread) -> None:
    loop.stop()
    with pytest.raises(LoopStopped):
        loop.call(_thread_name())
    loop.stop()


def test_a_loop_that_was_never_started_costs_nothing_and_stops_quietly() -> None:
    loop = LoopThread()
    with pytest.raises(LoopStopped):
        loop.call(_thread_name())
    loop.stop()
