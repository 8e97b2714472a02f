"""How a missing worker is named."""

import pytest
from redis.asyncio import Redis

from tests.kit.clock import FakeClock
from tests.kit.processes_seen import let_run
from times_dispatch.ledger.heartbeats import ProcessKind
from times_dispatch.ledger.keys import KINDS_SEEN
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
