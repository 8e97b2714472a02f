import pytest
from redis.asyncio import Redis

from producers.preflight.memory_forecast import CampaignSize, memory_forecast
from tests.kit.ledger import Ledger, recipients
from tests.kit.redis_memory import memory_of_keys
from times_dispatch.ledger.monitoring.health import Memory

MB = 1_000_000


@pytest.mark.parametrize(
    ("used", "needed", "problems", "warnings"),
    [
        (10, 10, 0, 0),
        (70, 9, 0, 0),
        (70, 10, 0, 1),
        (70, 20, 0, 1),
        (70, 21, 1, 0),
        (95, 1, 1, 0),
    ],
)
def test_a_campaign_that_fills_redis_is_a_warning_and_one_that_does_not_fit_a_problem(
    used: int, needed: int, problems: int, warnings: int
) -> None:
    forecast = memory_forecast(needed * MB, Memory(used * MB, 100 * MB), max_share=0.9)
    assert (len(forecast.problems), len(forecast.warnings)) == (problems, warnings)
    assert forecast.left_bytes == max(0, 90 - used) * MB


def test_the_problem_says_how_much_memory_is_needed_and_how_much_is_left() -> None:
    (problem,) = memory_forecast(30 * MB, Memory(70 * MB, 100 * MB), max_share=0.9).problems
    assert "needs about 30.0 MB, and 20.0 MB are left" in problem


@pytest.mark.parametrize("memory", [None, Memory(5 * MB, 0)])
def test_without_a_limit_or_a_ledger_nothing_is_compared(memory: Memory | None) -> None:
    forecast = memory_forecast(30 * MB, memory, max_share=0.9)
    assert (forecast.left_bytes, forecast.problems, forecast.warnings) == (None, [], [])


async def test_the_estimate_is_near_what_the_ledger_takes(redis: Redis) -> None:
    ledger, messages, batch = Ledger(redis), 20_000, 1_000
    size = CampaignSize(repeats_are_checked=False)
    for first in range(0, messages, batch):
        size.add(recipients(first, batch))
    await ledger.submit(3, campaign="warmup01")  # loads the scripts, and creates the sender's own keys
    await ledger.send_all()
    before = await memory_of_keys(redis)
    await ledger.submit(messages, batch_size=batch)
    await ledger.send_all()
    taken = await memory_of_keys(redis) - before
    assert size.needed_bytes == pytest.approx(taken, rel=0.3)
