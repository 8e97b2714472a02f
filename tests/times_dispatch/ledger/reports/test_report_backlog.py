"""Doubt is settled only when every stored report has reached the ledger."""

from typing import Any

import pytest
from redis.asyncio import Redis

from times_dispatch.ledger.keys import RECONCILERS, REPORTS
from times_dispatch.ledger.reports.report_backlog import FRESH_S, read_backlog, unapplied_reports


async def _store(redis: Redis, *, age_s: float = 0.0) -> bytes:
    seconds, microseconds = await redis.time()
    stored_ms = int(seconds) * 1000 + int(microseconds) // 1000 - int(age_s * 1000)
    stored: Any = await redis.xadd(REPORTS, {"b": b"[]"}, id=f"{stored_ms}-0")
    return bytes(stored)


async def _reconciler(redis: Redis, *, has_left: bool = False) -> None:
    """Let a reconciler read the stored reports; with *has_left*, the reconciler then leaves its group."""
    await redis.xgroup_create(REPORTS, RECONCILERS, id="0", mkstream=True)
    await redis.xreadgroup(RECONCILERS, "one", {REPORTS: ">"})
    if has_left:
        await redis.xgroup_delconsumer(REPORTS, RECONCILERS, "one")


async def test_nothing_is_in_the_way_where_no_reconciler_ever_was_and_nothing_is_stored(redis: Redis) -> None:
    assert await unapplied_reports(redis) is None


async def test_one_stored_report_is_in_the_way_where_no_reconciler_ever_was(redis: Redis) -> None:
    await _store(redis)
    unapplied = await unapplied_reports(redis)
    assert unapplied
    assert (unapplied.backlog.entries, unapplied.is_reconciler_alive) == (1, False)
    assert str(unapplied) == (
        "1 post of reports waits, the oldest for 0 s, and no reconciler runs: "
        "start one (python -m callbacks.reconciler)"
    )


@pytest.mark.parametrize(("age_s", "may_settle"), [(0, True), (FRESH_S - 1, True), (FRESH_S + 1, False)])
async def test_only_reports_that_wait_for_long_are_in_the_way_of_a_living_reconciler(
    redis: Redis, age_s: float, may_settle: bool
) -> None:
    await _store(redis, age_s=age_s)
    await _reconciler(redis)
    assert (await unapplied_reports(redis) is None) == may_settle


async def test_a_report_that_a_reconciler_holds_is_in_the_way_until_it_is_finished(redis: Redis) -> None:
    stored = await _store(redis, age_s=60)
    await _reconciler(redis)
    unapplied = await unapplied_reports(redis)
    assert unapplied
    assert unapplied.is_reconciler_alive
    assert str(unapplied).startswith("1 post of reports waits, the oldest for 60 s: a reconciler is at work")
    await redis.xdel(REPORTS, stored)
    assert await unapplied_reports(redis) is None


async def test_without_a_living_reconciler_nothing_is_settled_also_when_nothing_is_stored(redis: Redis) -> None:
    await _reconciler(redis, has_left=True)
    unapplied = await unapplied_reports(redis)
    assert unapplied
    assert str(unapplied).startswith("no reconciler runs, so reports may be on their way")
    assert (await read_backlog(redis)).entries == 0


async def test_a_deployment_that_gave_up_its_callbacks_says_so_by_dropping_the_group(redis: Redis) -> None:
    await _reconciler(redis, has_left=True)
    await redis.xgroup_destroy(REPORTS, RECONCILERS)
    assert await unapplied_reports(redis) is None


async def test_a_reconciler_that_was_silent_for_long_is_dead(redis: Redis) -> None:
    await _reconciler(redis)
    assert await unapplied_reports(redis, alive_s=0.0)
