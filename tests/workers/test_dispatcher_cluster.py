"""Campaigns on a cluster whose nodes die and whose slots move: every row goes out once, whatever happens."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from string import ascii_uppercase
from typing import Any

import pytest
from redis.exceptions import RedisError

from tests.kit.cluster import one_tag_each
from tests.kit.workers import FakeProvider, WorkerRig, until
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.ledger.connection import connect
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
    """Rounds of upkeep in the background, as beat makes them."""

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
    """Send a campaign of each sender, with trouble in the middle, and compare the ledger with what arrived."""
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
                await until(lambda: len(provider.arrived) >= after)
                await asyncio.to_thread(trouble)
                await until(lambda: _are_over(rig, campaigns), within_s=90)
                await worker.quiet()
        _compare(provider, Counter(push.to for push in provider.arrived))
        in_doubt = 0
        for campaign in campaigns:
            states = Counter(await rig.states(campaign))
            assert set(states) <= {"a", "i"}, states
            in_doubt += states["i"]
        assert in_doubt <= max_in_doubt
        await rig.check_counters()


def _compare(provider: FakeProvider, arrived: Counter[str]) -> None:
    assert len(set(provider.ids)) == len(provider.ids) == MESSAGES * len(SENDERS)
    assert set(arrived.values()) == {len(SENDERS)}, "the campaigns have the same numbers"


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
        killed.start()  # as the replica of the new primary, for which the openings of blocks wait

    await _send_through(
        cluster,
        provider,
        kill,
        after=rng.randrange(50, 600),
        max_in_doubt=60,
    )
