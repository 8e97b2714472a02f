import asyncio
import random

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.retry import Backoff, retry


class LongestWaits(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def _backoff(first_s: float = 0.1, max_s: float = 1.0) -> Backoff:
    return Backoff(first_s=first_s, max_s=max_s, rng=LongestWaits())


def test_waits_double_up_to_the_longest_and_begin_again_after_a_reset() -> None:
    backoff = _backoff()
    assert [backoff.next_s() for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    backoff.reset()
    assert backoff.next_s() == pytest.approx(0.1)


def test_jitter_shortens_a_wait_by_at_most_half() -> None:
    waits = [Backoff(first_s=1.0, max_s=1.0, rng=random.Random(seed)).next_s() for seed in range(200)]
    assert 0.5 <= min(waits) < 0.6
    assert 0.9 < max(waits) <= 1.0


class Flaky:
    """Fails with the given errors, one per call, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


_ON = (ConnectionError,)


async def test_a_call_is_repeated_until_it_answers_with_longer_and_longer_waits() -> None:
    call, clock = Flaky(ConnectionError(), ConnectionError(), ConnectionError()), FakeClock(auto=True)
    assert await retry(call, on=_ON, backoff=_backoff(), clock=clock) == "answer"
    assert call.calls == 4
    assert clock.slept == pytest.approx([0.1, 0.2, 0.4])


async def test_an_error_that_is_not_worth_a_retry_is_raised_at_once() -> None:
    call, clock = Flaky(ConnectionError(), ValueError("wrong")), FakeClock(auto=True)
    with pytest.raises(ValueError, match="wrong"):
        await retry(call, on=_ON, backoff=_backoff(), clock=clock)
    assert (call.calls, len(clock.slept)) == (2, 1)


async def test_the_caller_sees_each_error_before_the_wait_and_can_end_the_retries() -> None:
    errors: list[Exception] = []

    def give_up_at_the_second(error: Exception) -> None:
        errors.append(error)
        if len(errors) == 2:
            raise TimeoutError

    call, clock = Flaky(*(ConnectionError() for _ in range(5))), FakeClock(auto=True)
    with pytest.raises(TimeoutError):
        await retry(call, on=_ON, backoff=_backoff(), before_wait=give_up_at_the_second, clock=clock)
    assert (call.calls, len(clock.slept)) == (2, 1)


async def test_of_the_named_errors_only_those_are_retried_that_the_caller_picks() -> None:
    call, clock = Flaky(ConnectionResetError(), ConnectionRefusedError()), FakeClock(auto=True)

    def is_reset(error: Exception) -> bool:
        return isinstance(error, ConnectionResetError)

    with pytest.raises(ConnectionRefusedError):
        await retry(call, on=_ON, only_if=is_reset, backoff=_backoff(), clock=clock)
    assert (call.calls, len(clock.slept)) == (2, 1)


async def test_a_stop_ends_the_wait_and_the_last_error_is_raised() -> None:
    call, clock, stop = Flaky(ConnectionError("first"), ConnectionError("second")), FakeClock(), asyncio.Event()
    retrying = asyncio.create_task(retry(call, on=_ON, backoff=_backoff(), clock=clock, stop=stop))
    await clock.advance(0.2)
    assert call.calls == 2
    stop.set()
    with pytest.raises(ConnectionError, match="second"):
        await asyncio.wait_for(retrying, 30)
