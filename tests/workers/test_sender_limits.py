import random

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from tests.kit.clock import FakeClock
from tests.kit.workers import SENDER
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.settings.model import Settings, SettingsFile
from workers.sender_limits import write_sender_limits

OTHERS = SenderId("OTHERS")


@pytest.fixture
def settings() -> Settings:
    senders = {
        SENDER: {"provider": ["times"], "category": "service", "rate_per_s": 50.0},
        OTHERS: {"provider": ["times"], "category": "service", "rate_per_s": 0.0, "max_parts_per_day": 1_000},
    }
    file = SettingsFile.model_validate({"providers": {"times": {"preset": "timesmobile-post"}}, "senders": senders})
    return Settings(redis_url="", broker_url="", senders=file.senders)


async def test_each_senders_rate_and_daily_cap_are_written(redis: Redis, settings: Settings) -> None:
    await write_sender_limits(redis, settings, clock=FakeClock(), rng=random.Random(1))
    queries = Queries(redis)
    assert (await queries.sender(SENDER)).rate_per_s == 50
    others = await queries.sender(OTHERS)
    assert (others.rate_per_s, others.max_parts_per_day) == (0, 1_000)


async def test_a_ledger_that_is_away_is_tried_every_second_or_sooner_until_it_is_back(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(auto=True)
    evaluate, failures = redis.eval, [RedisAway("at redis://:swordfish@host")] * 3

    async def eval_when_back(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return await evaluate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(redis, "eval", eval_when_back)
    with capture_logs() as logs:
        await write_sender_limits(redis, settings, clock=clock, rng=random.Random(1))
    assert len(clock.slept) == 3
    assert all(0.5 <= wait_s <= 1.0 for wait_s in clock.slept)
    assert (await Queries(redis).sender(SENDER)).rate_per_s == 50
    assert [log["doing"] for log in logs if log["event"] == "ledger unavailable"] == ["start"] * 3
    assert "swordfish" not in str(logs)


class NoWaits(FakeClock):
    """Fails a process that waits until a person has repaired the ledger's data."""

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"a wait of {seconds:.1f} s: the worker does not begin")


async def test_a_damaged_sender_keeps_no_worker_from_beginning(redis: Redis, settings: Settings) -> None:
    await redis.set(f"{hash_tag(SENDER)}:sender", "not a hash")
    with capture_logs() as logs:
        await write_sender_limits(redis, settings, clock=NoWaits(), rng=random.Random(1))
    assert (await Queries(redis).sender(OTHERS)).max_parts_per_day == 1_000
    assert [(log["event"], log["sender"]) for log in logs if log["log_level"] == "error"] == [
        ("damaged in the ledger", SENDER)
    ]


async def test_a_damaged_rate_is_written_anew(redis: Redis, settings: Settings) -> None:
    await redis.hset(f"{hash_tag(SENDER)}:sender", mapping={"configured_rate": "junk", "rate": "junk"})
    await write_sender_limits(redis, settings, clock=NoWaits(), rng=random.Random(1))
    assert (await Queries(redis).sender(SENDER)).rate_per_s == 50
