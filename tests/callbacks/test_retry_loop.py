"""Going on through whatever happens."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from callbacks.retry_loop import Backoff, run_forever


async def test_steps_go_on_through_trouble_and_bugs_until_the_stop() -> None:
    stop = asyncio.Event()
    outcomes = iter([None, RedisAway(), RedisAway(), None, ValueError("a bug"), None])

    async def step() -> None:
        outcome = next(outcomes, stop)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is stop:
            stop.set()

    with capture_logs() as lines:
        await asyncio.wait_for(run_forever(step, stop), 5)
    said = [(line["event"], line["log_level"]) for line in lines]
    assert said == [
        ("redis is in trouble; waiting for it", "warning"),
        ("redis is back", "info"),
        ("a step failed; going on", "error"),
    ]


async def test_a_stop_ends_a_pause_at_once() -> None:
    stop = asyncio.Event()
    pause = Backoff(stop, first_s=60, longest_s=60)
    waiting = asyncio.create_task(pause.wait())
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(waiting, 1)


async def test_pauses_double_up_to_the_longest_and_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callbacks.retry_loop.random.uniform", lambda _low, high: high)
    waits: list[float] = []

    def timeout(wait_s: float) -> asyncio.Timeout:
        waits.append(wait_s)
        return asyncio.Timeout(asyncio.get_running_loop().time())

    monkeypatch.setattr("callbacks.retry_loop.asyncio.timeout", timeout)
    pause = Backoff(asyncio.Event(), first_s=1, longest_s=5)
    for _ in range(5):
        await pause.wait()
    pause.reset()
    await pause.wait()
    assert waits == [1, 2, 4, 5, 5, 1]
