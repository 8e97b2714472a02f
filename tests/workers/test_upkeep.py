"""A round of upkeep: its repairs, its wake-ups, the campaigns that it shows, and the data that it must not change."""

import asyncio
import random
import sys

import pytest
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from tests.kit.fake_provider import FakeProvider
from tests.kit.upkeep import Rounds
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.broker.app import WaitingWakeups
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import CampaignState

OTHERS = SenderId("OTHERS")


async def _expire_leases(rig: WorkerRig, *refs: BatchRef) -> None:
    for ref in refs:
        await rig.redis.zadd(f"{hash_tag(ref.sender)}:leases", {f"{ref.campaign}:{ref.number}": 1})


async def test_a_round_issues_the_batches_of_every_sender(rig: WorkerRig, rounds: Rounds) -> None:
    await rig.submit(4, batch_size=2)
    await rig.submit(2, campaign="others01", sender=OTHERS)
    await rounds.round()
    assert sorted(rounds.woken, key=str) == sorted(
        [BatchRef(SENDER, CAMPAIGN, 0), BatchRef(SENDER, CAMPAIGN, 1), BatchRef(OTHERS, CampaignId("others01"), 0)],
        key=str,
    )
    assert {view.id for view in rounds.shown} == {CAMPAIGN, "others01"}
    await rounds.round()
    assert len(rounds.woken) == 3


async def test_a_lost_wake_up_is_repeated_when_its_lease_runs_out(rig: WorkerRig, rounds: Rounds) -> None:
    await rig.submit(2)
    await rounds.round()
    await _expire_leases(rig, *rounds.woken)
    await rounds.round()
    assert rounds.woken == [BatchRef(SENDER, CAMPAIGN, 0)] * 2


async def test_the_batch_of_a_dead_worker_is_taken_back_and_workers_are_woken_in_the_same_round(
    rig: WorkerRig, rounds: Rounds
) -> None:
    await rig.submit(3)
    (ref,) = await rig.issue()
    assert await rig.leases.take(ref)
    await _expire_leases(rig, ref)
    with capture_logs() as logs:
        await rounds.round()
    assert rounds.woken == [ref]
    (line,) = [log for log in logs if log["event"] == "leases expired"]
    assert (line["sender"], line["batches"], line["in_doubt"]) == (SENDER, 1, 0)


async def test_pending_messages_of_a_cancelled_campaign_are_cancelled(rig: WorkerRig, rounds: Rounds) -> None:
    await rig.submit(250)
    await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    await rounds.round()
    assert await rig.states() == "x" * 250
    assert rounds.shown[-1].state is CampaignState.CANCELLED


async def test_a_campaign_is_shown_again_only_when_something_happened(rig: WorkerRig, rounds: Rounds) -> None:
    await rig.submit(2)
    await rounds.round()
    await rounds.round()
    assert len(rounds.shown) == 1
    async with rig.worker() as worker:
        worker.wake(rounds.woken)
        await worker.quiet()
    await rounds.round()
    assert [view.state for view in rounds.shown] == [CampaignState.RUNNING, CampaignState.FINISHED]


async def test_campaigns_that_could_not_be_shown_are_shown_when_the_broker_is_back(
    rig: WorkerRig, rounds: Rounds
) -> None:
    await rig.submit(2)
    rounds.broker_unavailable = True
    await rounds.round()
    assert rounds.shown == []
    rounds.broker_unavailable = False
    await rounds.round()
    assert [view.id for view in rounds.shown] == [CAMPAIGN]


async def test_one_broken_sender_does_not_keep_the_others_from_their_round(rig: WorkerRig, rounds: Rounds) -> None:
    await rig.submit(2)
    await rig.submit(2, campaign="others01", sender=OTHERS)
    await rig.redis.delete(f"{hash_tag(OTHERS)}:rotation")
    await rig.redis.set(f"{hash_tag(OTHERS)}:rotation", "not a sorted set")
    with pytest.raises(ResponseError):
        await rounds.round()
    assert rounds.woken == [BatchRef(SENDER, CAMPAIGN, 0)]
    assert [view.id for view in rounds.shown] == [CAMPAIGN]
    await rig.redis.delete(f"{hash_tag(OTHERS)}:rotation")


async def test_one_damaged_campaign_does_not_keep_the_others_of_its_sender_from_their_round(
    rig: WorkerRig, rounds: Rounds
) -> None:
    await rig.submit(6, batch_size=3)
    await rig.submit(3, campaign="another1")
    await rig.submit(3, campaign="another2")
    refs = await rig.issue()
    for ref in refs:
        if ref.campaign == CAMPAIGN:
            assert await rig.leases.take(ref)
    key = campaign_key(SENDER, CAMPAIGN)
    plan = await rig.redis.hget(key, "plan")
    await rig.redis.hdel(key, "plan")
    await rig.redis.set(f"{key}:m:0", b"pp")
    await rig.redis.hdel(key, "until_ms")
    await _expire_leases(rig, *refs)
    with capture_logs() as logs:
        await rounds.round()
    assert sorted(ref.campaign for ref in rounds.woken) == ["another1", "another2"]
    assert sorted(view.id for view in rounds.shown) == ["another1", "another2"]
    damage = [(log["doing"], log["batch"]) for log in logs if log["event"] == "damaged in the ledger"]
    assert sorted(damage) == [("read", ""), ("reclaimed", "0"), ("reclaimed", "1")]
    assert {log["campaign"] for log in logs if log["event"] == "damaged in the ledger"} == {CAMPAIGN}
    assert await rig.redis.hget(key, "reason") == b"batch 1 cannot be reclaimed: damaged in the ledger"
    with capture_logs() as logs:
        await rounds.round()
    assert not logs
    assert plan
    await rig.redis.delete(f"{key}:m:0")
    await rig.redis.hset(key, mapping={"plan": plan, "until_ms": 4_102_444_800_000})


async def test_a_round_that_takes_long_is_not_joined_by_another_of_the_same_process(
    rig: WorkerRig, rounds: Rounds
) -> None:
    await rig.submit(2)
    rounds.slow.clear()
    first = asyncio.create_task(rounds.round())
    await rounds.shows.wait()
    await asyncio.wait_for(rounds.round(), 30)
    rounds.slow.set()
    await first
    assert len(rounds.shown) == 1


async def test_two_upkeeps_at_once_wake_workers_once(rig: WorkerRig, rounds: Rounds) -> None:
    await rig.submit(200, batch_size=10)
    other = Rounds(rig.redis)
    await asyncio.gather(rounds.round(), other.round())
    assert len(rounds.woken + other.woken) == len(set(rounds.woken + other.woken)) == 16


async def test_leases_expire_only_when_there_has_been_upkeep_for_a_while(rig: WorkerRig) -> None:
    rounds = Rounds(rig.redis)
    await rig.submit(3)
    (ref,) = await rig.issue()
    assert await rig.leases.take(ref)
    await _expire_leases(rig, ref)
    await rounds.round()
    await rounds.pretend_rounds(4_500)
    await rounds.round()
    assert rounds.woken == []
    await rounds.pretend_rounds(5_100)
    await rounds.round()
    assert rounds.woken == [ref]


async def test_rounds_every_second_count_as_upkeep_without_a_gap(rig: WorkerRig, rounds: Rounds) -> None:
    await rounds.round()
    since = await rig.redis.get("upkeep:since")
    await rounds.round()
    assert await rig.redis.get("upkeep:since") == since
    assert 8_000 < await rig.redis.pttl("upkeep:since") <= 9_000


@pytest.mark.processes
async def test_after_a_restart_of_redis_the_holders_of_leases_get_a_moment_to_renew(provider: FakeProvider) -> None:
    with EmbeddedServer() as server:
        async with connect(server.url) as redis:
            rounds = Rounds(redis)
            await rounds.pretend_rounds()
            server.restart()
            rig = WorkerRig(redis, provider)
            await rig.submit(3)
            (ref,) = await rig.issue()
            lease = await rig.leases.take(ref)
            assert lease
            await _expire_leases(rig, ref)
            await rounds.round()
            assert await rig.leases.renew(SENDER, [lease]) == [True]
            assert rounds.woken == []


async def test_a_short_lease_still_expires(rig: WorkerRig) -> None:
    rounds = Rounds(rig.redis, lease_s=1)
    await rig.submit(3)
    (ref,) = await rig.issue()
    assert await rig.leases.take(ref)
    await rounds.round()
    assert await rig.redis.pttl("upkeep:since") > 2_000  # longer than the time between two rounds
    await rounds.pretend_rounds(400)
    await _expire_leases(rig, ref)
    await rounds.round()
    assert rounds.woken == [ref]


@pytest.mark.parametrize(
    ("waiting", "is_urgent", "fewest", "most"),
    [
        (WaitingWakeups(bulk=1_000), False, 40, 40),
        (WaitingWakeups(bulk=3_000), False, 1, 12),
        (WaitingWakeups(bulk=30_000), True, 40, 40),
        (WaitingWakeups(urgent=3_000), True, 1, 12),
    ],
)
async def test_while_many_wake_ups_wait_workers_are_woken_again_more_rarely_but_for_every_batch(
    rig: WorkerRig, waiting: WaitingWakeups, is_urgent: bool, fewest: int, most: int
) -> None:
    async def backlog() -> WaitingWakeups:
        return waiting

    rounds = Rounds(rig.redis, backlog=backlog, rng=random.Random(7))
    await rounds.pretend_rounds()
    await rig.submit(2, urgent=is_urgent)
    (ref,) = await rig.issue()
    for _ in range(40):
        await rig.redis.zadd(f"{hash_tag(SENDER)}:leases", {f"{ref.campaign}:{ref.number}": 1})
        await rounds.round()
    assert fewest <= len(rounds.woken) <= most
    assert set(rounds.woken) == {ref}


async def test_upkeep_goes_on_while_redis_is_full_and_logs_the_fact(rig: WorkerRig, rounds: Rounds) -> None:
    await rig.submit(250)
    await rounds.round()
    await rig.redis.delete("upkeep:since")
    await rig.redis.config_set("maxmemory", 1)
    try:
        await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
        rounds.upkeep._warn_at = 0.0
        with capture_logs() as logs:
            await rounds.round()
        assert await rig.redis.get("upkeep:since")
    finally:
        await rig.redis.config_set("maxmemory", 0)
    assert await rig.states() == "x" * 250
    assert any("of its memory is used" in log.get("warning", "") for log in logs)


async def test_a_round_shows_its_campaigns_also_when_a_full_redis_issues_nothing(
    rig: WorkerRig, rounds: Rounds
) -> None:
    await rig.submit(2)
    await rig.redis.config_set("maxmemory", 1)
    try:
        await rounds.round()
    finally:
        await rig.redis.config_set("maxmemory", 0)
    assert rounds.woken == []
    assert [view.id for view in rounds.shown] == [CAMPAIGN]


_KILLED = """
import asyncio, sys
from times_dispatch.ledger.connection import connect
from workers.upkeep import Upkeep

async def show(views):
    print(*(view.id for view in views), flush=True)
    await asyncio.sleep(60)

async def main():
    await Upkeep(
        connect(sys.argv[1]), lease_s=15.0, wake_workers=lambda _: asyncio.sleep(0), update_flower=show
    ).round()

asyncio.run(main())
"""


@pytest.mark.processes
async def test_the_last_row_of_a_campaign_is_shown_when_the_worker_that_had_it_is_killed(
    rig: WorkerRig, rounds: Rounds
) -> None:
    await rig.submit(3)
    await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    settings = rig.redis.connection_pool.connection_kwargs
    url = f"redis://{settings['host']}:{settings['port']}/{settings.get('db', 0)}"
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", _KILLED, url, stdout=asyncio.subprocess.PIPE)
    assert killed.stdout
    async with asyncio.timeout(30):
        while CAMPAIGN.encode() not in (line := await killed.stdout.readline()):
            assert line, "the process ended before it showed the campaign"
    killed.kill()
    await killed.wait()
    await rounds.round()
    assert rounds.shown == []
    showing = f"{hash_tag(SENDER)}:showing"
    for member in await rig.redis.zrange(showing, 0, -1):
        await rig.redis.zadd(showing, {text(member): 1})
    await rounds.round()
    assert [(view.id, view.state) for view in rounds.shown] == [(CAMPAIGN, CampaignState.CANCELLED)]
    assert not await rig.redis.exists(showing)
