"""Campaigns on a cluster whose nodes die and whose slots move: every row is sent once, whatever happens."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from string import ascii_uppercase
from typing import Any

import pytest
from redis.exceptions import RedisError

from tests.kit.cluster import one_tag_each
from tests.kit.fake_provider import FakeProvider
from tests.kit.lanes import people, submit_in_lanes
from tests.kit.waiting import eventually
from tests.kit.workers import WorkerRig
from times_dispatch.demo.comparison import max_per_second
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import CampaignState
from workers.upkeep import Upkeep

pytestmark = [
    pytest.mark.processes,
    pytest.mark.slow,  # a failover takes some seconds
    pytest.mark.xdist_group("cluster"),
]

SENDERS = [SenderId(name) for name in one_tag_each(f"CLU{letter}" for letter in ascii_uppercase)]
MESSAGES = 400
SEEDS = [7, 42, 2026]


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(appendonly=True) as cluster:
        yield cluster


@asynccontextmanager
async def _upkeep(rig: WorkerRig, wake: Callable[[Any], Awaitable[None]]) -> AsyncIterator[None]:
    """Run rounds of upkeep in the background, as beat starts them."""

    async def show(_: Any) -> bool:
        return True

    upkeep = Upkeep(rig.redis, lease_s=15.0, wake_workers=wake, update_flower=show)

    async def rounds() -> None:
        while True:
            with suppress(RedisError, OSError):
                async with asyncio.timeout(30):
                    await upkeep.round()
            await asyncio.sleep(0.5)

    running = asyncio.create_task(rounds())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _send_through(
    cluster: EmbeddedCluster, provider: FakeProvider, trouble: Callable[[], None], *, after: int, max_in_doubt: int
) -> None:
    """Send a campaign of each sender through some trouble, and compare the ledger with the messages that arrived.

    Args:
        cluster: the cluster with the ledger.
        provider: the provider that gets the messages.
        trouble: disturbs the cluster once.
        after: how many messages have arrived when the trouble begins.
        max_in_doubt: how many messages may be in doubt in the end.
    """
    async with connect(cluster.url) as redis:
        rig = WorkerRig(redis, provider)
        campaigns = [
            await rig.submit(MESSAGES, campaign=f"cluster{number}", sender=sender)
            for number, sender in enumerate(SENDERS)
        ]
        async with rig.worker(rates=dict.fromkeys(SENDERS, 100.0), wait_for_replicas=1) as worker:

            async def wake(ready: Any) -> None:
                worker.wake_for(ready)

            async with _upkeep(rig, wake):
                await eventually(lambda: len(provider.arrived) >= after)
                await asyncio.to_thread(trouble)
                await eventually(lambda: _are_over(rig, campaigns), within_s=90)
                await worker.quiet()
        assert len(set(provider.ids)) == len(provider.ids), "a message was sent twice"
        in_doubt, missing = Counter[str](), Counter[str]()
        for campaign in campaigns:
            messages = await rig.messages(campaign)
            assert {message.record.state for message in messages} <= {"a", "i"}
            in_doubt.update(message.to for message in messages if message.record.state == "i")
            missing.update(message.to for message in messages)
        assert missing.total() == MESSAGES * len(SENDERS)
        missing.subtract(push.to for push in provider.arrived)
        assert min(missing.values()) >= 0
        # Messages that were opened and never pushed may be in doubt after a primary froze (docs/cluster.md).
        assert +missing <= in_doubt, "a message is lost"
        assert in_doubt.total() <= max_in_doubt
        await rig.check_counters()


async def _are_over(rig: WorkerRig, campaigns: list[CampaignId]) -> bool:
    with suppress(RedisError):
        views = [await rig.view(campaign) for campaign in campaigns]
        return all(view.state is CampaignState.FINISHED or not view.unsent for view in views)
    return False


@pytest.mark.parametrize("seed", SEEDS)
async def test_slots_that_move_key_by_key_lose_and_double_nothing(
    cluster: EmbeddedCluster, provider: FakeProvider, seed: int
) -> None:
    rng = random.Random(seed)

    def move() -> None:
        for sender in [*rng.sample(SENDERS, 2), "opt_outs"]:
            for _ in cluster.moving(sender):
                pass

    await _send_through(cluster, provider, move, after=rng.randrange(50, 600), max_in_doubt=0)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_planned_failover_loses_and_doubles_nothing(
    cluster: EmbeddedCluster, provider: FakeProvider, seed: int
) -> None:
    rng = random.Random(seed)
    await _send_through(
        cluster, provider, lambda: cluster.fail_over(rng.choice(SENDERS)), after=rng.randrange(50, 600), max_in_doubt=0
    )


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_primary_that_is_killed_loses_and_doubles_nothing(
    cluster: EmbeddedCluster, provider: FakeProvider, seed: int
) -> None:
    rng = random.Random(seed)

    def kill() -> None:
        sender = rng.choice(SENDERS)
        killed = cluster.owner(sender)
        killed.kill()
        cluster.wait_for_owner(sender, other_than=killed)
        # The node becomes a replica of the new primary, and the opening of blocks waits for this replica.
        killed.start()

    await _send_through(
        cluster,
        provider,
        kill,
        after=rng.randrange(50, 600),
        max_in_doubt=60,
    )


@pytest.mark.parametrize(("seed", "killed"), [(7, "source"), (42, "target")])
async def test_a_primary_that_is_killed_while_a_slot_is_half_moved_loses_and_doubles_nothing(
    cluster: EmbeddedCluster, provider: FakeProvider, seed: int, killed: str
) -> None:
    rng = random.Random(seed)
    sender, of_target = rng.sample(SENDERS, 2)

    def kill_within_a_move() -> None:
        source, target = cluster.owner(sender), cluster.owner(of_target)
        steps = cluster.moving(sender, target=target)
        moved = [next(steps) for _ in range(rng.randrange(2, 6))]
        assert moved[-1], "no key has moved"
        victim, tag = (source, sender) if killed == "source" else (target, of_target)
        victim.kill()
        cluster.wait_for_owner(tag, other_than=victim)
        victim.start()
        # A person completes the move, as with ``redis-cli --cluster fix``.
        rest = list(cluster.moving(sender, target=cluster.owner(of_target)))
        assert rest[-1], "the move was over before the primary was killed"

    await _send_through(cluster, provider, kill_within_a_move, after=rng.randrange(50, 600), max_in_doubt=60)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_primary_that_freezes_and_wakes_up_loses_and_doubles_nothing(
    cluster: EmbeddedCluster, provider: FakeProvider, seed: int
) -> None:
    rng = random.Random(seed)

    def freeze() -> None:
        sender = rng.choice(SENDERS)
        frozen = cluster.owner(sender)
        frozen.send(signal.SIGSTOP)
        cluster.wait_for_owner(sender, other_than=frozen)
        time.sleep(rng.random())
        frozen.send(signal.SIGCONT)

    await _send_through(cluster, provider, freeze, after=rng.randrange(50, 600), max_in_doubt=60)


@pytest.mark.parametrize("seed", SEEDS)
async def test_one_sender_in_four_lanes_loses_and_doubles_nothing_when_a_primary_is_killed(
    cluster: EmbeddedCluster, provider: FakeProvider, seed: int
) -> None:
    rng = random.Random(seed)
    sender, messages, rate, after = SENDERS[0], 900, 120.0, rng.randrange(50, 300)
    lanes = lane_senders(sender, 4)
    assert len({cluster.owner(lane).port for lane in lanes}) == 3

    def kill() -> None:
        lane = rng.choice(lanes)
        killed = cluster.owner(lane)
        killed.kill()
        cluster.wait_for_owner(lane, other_than=killed)
        killed.start()

    async with connect(cluster.url) as redis:
        rig = WorkerRig(redis, provider)
        async with rig.worker(rates={sender: rate}, sender_options={"lanes": 4}, wait_for_replicas=1) as worker:

            async def wake(ready: Any) -> None:
                worker.wake_for(ready)

            async with _upkeep(rig, wake):
                await eventually(lambda: redis.hexists(f"{{{lanes[-1]}}}:sender", "rate"))
                campaign = await submit_in_lanes(redis, people(messages), batch_size=50, sender=sender)
                await eventually(lambda: len(provider.arrived) >= after, within_s=120)
                await asyncio.to_thread(kill)
                await eventually(lambda: _are_over(rig, [campaign]), within_s=300)
                await worker.quiet()
        view = await rig.view(campaign)
        times_ms = [
            lane.created_ms + message.record.sent_ms
            for lane in view.lanes
            for number in range(lane.batches)
            async for message in rig.queries.batch(lane, number)
        ]
        assert set(await rig.states(campaign)) <= {"a", "i"}
        await rig.check_counters()
    arrived = Counter(push.to for push in provider.arrived)
    assert set(arrived.values()) == {1}, "a message was sent twice"
    assert sorted(arrived) == people(messages).to, "a message is lost"
    assert len(set(provider.ids)) == messages
    assert max_per_second(sorted(times_ms)) <= rate * 1.05
