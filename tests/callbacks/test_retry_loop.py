"""The loop goes on after every error that a step raises."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from callbacks.retry_loop import Failed, attempt, run_forever
from tests.kit.clock import FakeClock


def steps(stop: asyncio.Event, *outcomes: Exception | None) -> Callable[[], Awaitable[None]]:
    """Return a step that has these outcomes, one after another, and then sets *stop*."""
    following = iter(outcomes)

    async def step() -> None:
        try:
            outcome = next(following)
        except StopIteration:
            stop.set()
            return
        if outcome:
            raise outcome

    return step


async def test_steps_go_on_through_redis_errors_and_bugs_until_the_stop() -> None:
    stop = asyncio.Event()
    step = steps(stop, None, RedisAway(), ResponseError("NEW"), RedisAway(), None, ValueError("a bug"), None)
    with capture_logs() as lines:
        await asyncio.wait_for(run_forever(step, stop, clock=FakeClock(auto=True)), 30)
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("redis unavailable; waiting for it", "warning"),
        ("redis is available again", "info"),
        ("a step failed; going on with the next", "error"),
    ]


async def test_the_text_of_an_unexpected_error_is_not_logged() -> None:
    stop = asyncio.Event()
    with capture_logs() as lines:
        await run_forever(steps(stop, ValueError("what somebody wrote")), stop, clock=FakeClock(auto=True))
    assert lines[0]["error"] == "ValueError"
    assert "somebody" not in " ".join(str(value) for key, value in lines[0].items() if key != "where")


async def test_waits_double_up_to_two_seconds_and_begin_again_after_a_step_that_succeeds() -> None:
    stop, clock = asyncio.Event(), FakeClock(auto=True)
    failures = [RedisAway() for _ in range(7)]
    await run_forever(steps(stop, *failures, None, RedisAway()), stop, clock=clock, rng=random.Random(1))
    unshortened = [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 0.1]
    assert len(clock.slept) == len(unshortened)
    assert all(full / 2 <= wait <= full for wait, full in zip(clock.slept, unshortened, strict=True))


async def test_a_stop_ends_a_wait_at_once() -> None:
    stop, clock = asyncio.Event(), FakeClock()

    async def fail() -> None:
        raise RedisAway

    running = asyncio.create_task(run_forever(fail, stop, clock=clock))
    while not clock.slept:
        await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 30)


async def test_an_attempt_returns_the_result_or_the_error() -> None:
    error = KeyError("a bug")

    async def fail() -> int:
        raise error

    async def succeed() -> int:
        return 7

    assert await attempt(succeed) == 7
    assert await attempt(fail) == Failed(error)


async def test_an_attempt_lets_a_cancellation_through() -> None:
    attempting = asyncio.create_task(attempt(asyncio.Event().wait))
    await asyncio.sleep(0)
    attempting.cancel()
    await asyncio.wait([attempting])
    assert attempting.cancelled()


async def test_an_error_that_ends_the_loop_is_raised_and_no_other() -> None:
    stop, clock = asyncio.Event(), FakeClock(auto=True)
    step = steps(stop, RedisAway(), KeyError(), ValueError("the end"), None)
    with pytest.raises(ValueError, match="the end"):
        await run_forever(step, stop, ends_on=ValueError, clock=clock)
    assert len(clock.slept) == 2
