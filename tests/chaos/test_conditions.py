"""Every figure of the lasting conditions holds just at its limit, and fails just beyond it."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos.conditions import (
    busy_cores,
    clock_jumps,
    full_ledger,
    full_worker,
    lonely_primary,
    lost_links,
    many_campaigns,
    sender_in_lanes,
    slow_redis,
    waiting_reports,
)
from tests.chaos.counted_visits import CampaignVisits
from tests.chaos.figure import ChaosFigure
from tests.chaos.figures import GAP_S, not_measured
from tests.chaos.goes_on import goes_on
from tests.chaos.settings import SLOW, UNLIMITED
from tests.chaos.standstill import STANDS_STILL_AFTER_S, StandstillWatch, explain
from tests.chaos.test_figures import CAMPAIGN, good
from tests.chaos.testbed import Kill
from tests.chaos.wire import Wire
from tests.kit.ledger import Ledger
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.states import MessageState

ANSWERED = {f"0-{number}" for number in range(500)}
"""As many ids of visits as the figure needs."""


@pytest.mark.parametrize("sender", [SLOW, UNLIMITED])
def test_a_slow_ledger_must_send_a_third_of_what_its_round_trips_allow(sender: str) -> None:
    enough = slow_redis.expected_per_s(sender, 0.5) / 3 * 10
    assert slow_redis.judge(slow_redis.Step(sender, 0.5, int(enough) + 1, 10)).holds
    assert not slow_redis.judge(slow_redis.Step(sender, 0.5, int(enough) - 1, 10)).holds
    assert not slow_redis.judge(slow_redis.Step(sender, 0.5, 0, 0)).holds


def test_a_sender_with_a_limit_is_expected_to_keep_its_rate_with_calls_that_leave_time_for_its_pushes() -> None:
    expected = [slow_redis.expected_per_s(SLOW, delay_s) for delay_s in (0.5, 0.3, 0.25, 0.05)]
    assert expected == pytest.approx([50, 150, 200, 200])


@pytest.mark.parametrize(
    ("good_figure", "bad_figure"),
    [
        (many_campaigns.judge(100, 150), many_campaigns.judge(100, 151)),
        (sender_in_lanes.judge([[1, 2, 1, 1]]), sender_in_lanes.judge([[1, 2, 0, 1]])),
        (sender_in_lanes.judge([[1, 2, 1, 1]] * 2), sender_in_lanes.judge([[1, 2, 1, 1], []])),
        (sender_in_lanes.judge([[1, 2, 1, 1]]), sender_in_lanes.judge([])),
        (full_ledger.judge_cancel(10), full_ledger.judge_cancel(10.1)),
        (full_ledger.judge_opened(5, 5), full_ledger.judge_opened(5, 4)),
        (full_ledger.judge_opened(5, 5), full_ledger.judge_opened(0, 0)),
        (full_ledger.judge_reports(1, 0), full_ledger.judge_reports(1, 1)),
        (full_ledger.judge_reports(1, 0), full_ledger.judge_reports(0, 0)),
        (full_ledger.judge_goes_on(20), full_ledger.judge_goes_on(20.1)),
        (waiting_reports.judge(1, 1), waiting_reports.judge(0, 1)),
        (waiting_reports.judge(1, 1), waiting_reports.judge(1, 0)),
        (full_worker.judge(173, 174), full_worker.judge(172, 174)),
        (full_worker.judge(173, 174), full_worker.judge(174, 174)),
        (lonely_primary.judge([5, 5]), lonely_primary.judge([5, 4])),
        (lonely_primary.judge([5, 5]), lonely_primary.judge([0, 0])),
        (lonely_primary.judge([5, 5]), lonely_primary.judge([5, None])),
    ],
)
def test_each_figure_fails_beyond_its_limit(good_figure: ChaosFigure, bad_figure: ChaosFigure) -> None:
    assert good_figure.holds
    assert not bad_figure.holds


@pytest.mark.parametrize(("used", "holds"), [(0.98, True), (0.96, False)])
def test_of_the_rate_nearly_all_must_be_used(used: float, *, holds: bool) -> None:
    run = replace(good(), arrivals_s={SLOW: [number / (200 * used) for number in range(200 * 36)]})
    assert busy_cores.judge(run).holds is holds


def test_a_lease_that_a_live_worker_loses_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "worker-2.log"
    log.write_text('{"event":"batch","ended":"done"}\n')
    assert clock_jumps.judge(log).holds
    log.write_text('{"event":"batch","ended":"lease_lost"}\n')
    assert not clock_jumps.judge(log).holds


@pytest.mark.parametrize(("opened_alone", "holds"), [(2, True), (1, False)])
def test_second_copies_after_a_failover_are_at_most_what_the_old_primary_opened_alone(
    opened_alone: int, *, holds: bool
) -> None:
    run = good()
    run.campaigns[CAMPAIGN].comparison.accepted_twice = 2
    run.events.opened_alone = opened_alone
    assert lonely_primary.judge_twice(run).holds is holds


@pytest.mark.parametrize(
    ("visits", "holds"),
    [
        (CampaignVisits(ANSWERED, ANSWERED, 500), True),
        (CampaignVisits(ANSWERED, ANSWERED | {"of-a-lost-answer"}, 501), True),
        (CampaignVisits(ANSWERED, ANSWERED - {"0-7"}, 499), False),
        (CampaignVisits(ANSWERED, ANSWERED, 501), False),
        (CampaignVisits(ANSWERED - {"0-7"}, ANSWERED, 500), False),
    ],
)
def test_each_of_enough_redirects_must_be_counted_exactly_once(visits: CampaignVisits, *, holds: bool) -> None:
    run = good()
    run.campaigns[CAMPAIGN] = replace(run.campaigns[CAMPAIGN], visits=visits)
    assert lost_links.judge(run).holds is holds


@pytest.mark.parametrize(("wait_s", "holds"), [(GAP_S, True), (GAP_S + 0.1, False)])
def test_a_campaign_must_go_on_soon_after_its_worker_was_killed(wait_s: float, *, holds: bool) -> None:
    run = good()
    run.campaigns[CAMPAIGN] = replace(run.campaigns[CAMPAIGN], arrivals_s=[120.0, 121.0 + wait_s])
    run.events.kills.append(Kill(121.0, "worker-1", {CAMPAIGN}))
    assert goes_on(run).holds is holds


def test_a_campaign_that_never_goes_on_and_a_kill_that_never_happened_prove_nothing() -> None:
    run = good()
    assert not goes_on(run).holds
    run.events.kills.append(Kill(10_000.0, "worker-1", {CAMPAIGN}))
    assert not goes_on(run).holds


def test_a_figure_that_was_not_measured_fails() -> None:
    assert [figure.holds for figure in not_measured([], ["a figure"])] == [False]
    assert not_measured([ChaosFigure("a figure", "1", "1", True)], ["a figure"]) == []


async def test_a_campaign_that_stands_still_is_named_with_its_state_its_leases_and_its_log(
    redis: Redis, tmp_path: Path
) -> None:
    ledger, log = Ledger(redis), tmp_path / "worker-1.log"
    campaign = await ledger.submit(messages=6, batch_size=3)
    await ledger.take()
    log.write_text(f'{{"event":"batch","campaign":"{campaign}"}}\n{{"event":"another"}}\n')
    watch, view, now_s = StandstillWatch(), await ledger.queries.campaign(campaign), time.time()
    await watch.look(redis, [view], now_s)
    await watch.look(redis, [view], now_s + STANDS_STILL_AFTER_S - 0.1)
    assert not watch.found
    await watch.look(redis, [view], now_s + STANDS_STILL_AFTER_S)
    text = "\n".join(explain(view, watch.found[campaign], {"worker-1": log}))
    assert f"campaign {campaign} (diwali-sale) of TIMESM: running; {MessageState.PENDING.label} 6" in text
    assert "lease of batch 0: ends in " in text
    assert "taken by a worker" in text
    assert '  worker-1: {"event":"batch"' in text
    assert "another" not in text


@pytest.mark.processes
async def test_a_wire_delays_answers_loses_everything_while_silent_and_hangs_up() -> None:
    with EmbeddedServer() as server:
        wire = Wire()
        try:
            wire.start(server.port)
            redis = connect(server.url.replace(f":{server.port}", f":{wire.port}"), socket_timeout_s=0.5, retries=0)
            await redis.ping()
            wire.change(delay_s=0.2)
            await asyncio.sleep(0.1)
            began = time.monotonic()
            await redis.ping()
            assert time.monotonic() - began >= 0.2
            wire.change(delay_s=0.0, is_silent=True)
            await asyncio.sleep(0.1)
            with pytest.raises(Exception, match="Timeout"):
                await redis.ping()
            wire.change(is_silent=False, hangs_up=True)
            await asyncio.sleep(0.1)
            await redis.ping()
            await redis.aclose()
        finally:
            wire.stop()
