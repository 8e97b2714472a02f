"""How a missing worker, a missing beat and a missing broker are named."""

import time

import pytest
from redis.asyncio import Redis

from tests.kit.clock import FakeClock
from tests.kit.processes_seen import let_run
from times_dispatch.ledger.keys import KINDS_SEEN, UPKEEP_SINCE
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.status.roles import clock_time, missing_workers

NOW_S = 1_790_000_000
"""2026-09-21 19:43:20 in India."""


@pytest.mark.parametrize(("ago_s", "shown"), [(0, "19:43"), (3_600, "18:43"), (24 * 3_600, "2026-09-20 19:43")])
def test_a_time_of_another_day_has_its_date(ago_s: int, shown: str) -> None:
    assert clock_time((NOW_S - ago_s) * 1000, now_s=NOW_S) == shown


async def test_a_running_worker_is_not_missing(redis: Redis) -> None:
    await let_run(redis, ProcessKind.WORKER)
    assert await missing_workers(redis) == ""


async def test_a_missing_worker_is_named_with_the_time_since_when_and_what_to_start(redis: Redis) -> None:
    await let_run(redis, ProcessKind.BEAT)
    assert (await missing_workers(redis)).startswith("no worker has run yet, so nothing is sent: start one (celery -A ")
    await redis.hset(KINDS_SEEN, "worker", str((NOW_S - 3_600) * 1000))
    line = await missing_workers(redis, clock=FakeClock(epoch=NOW_S))
    assert line.startswith("no worker since 18:43, so nothing is sent: start one (celery -A ")


async def test_workers_that_learn_of_no_work_are_named_once_they_had_the_time_to_start(redis: Redis) -> None:
    await let_run(redis, ProcessKind.WORKER, ProcessKind.BEAT)
    later = FakeClock(epoch=time.time() + 31)
    line = await missing_workers(redis, clock=later)
    assert line.startswith("workers and beat run, but workers get no work: start the broker, or correct DISPATCH_")
    assert await missing_workers(redis, clock=FakeClock(epoch=time.time() + 29)) == ""
    await redis.set(UPKEEP_SINCE, "1790000000000")
    assert await missing_workers(redis, clock=later) == ""


async def test_a_missing_beat_is_named_where_workers_run(redis: Redis) -> None:
    await let_run(redis, ProcessKind.WORKER)
    line = await missing_workers(redis, clock=FakeClock(epoch=time.time() + 31))
    assert line.startswith("no beat has run yet, so no campaign starts or ends by its time, and ")
    assert "start one (celery -A workers.beat beat)" in line
