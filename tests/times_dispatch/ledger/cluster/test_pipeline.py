import asyncio

import pytest
from redis.exceptions import ResponseError, WatchError

from tests.kit.cluster import one_tag_each
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.cluster.errors import SlotsMixed
from times_dispatch.ledger.cluster.pipeline import IN_ORDER

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("cluster")]

TAGS = one_tag_each(f"TAG{number}" for number in range(100))


async def test_a_pipeline_over_all_nodes_returns_the_replies_in_its_order(redis: ClusterRedis) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(30):
            pipe.set(f"{{{TAGS[number % 3]}}}:{number}", number)
        for number in range(30):
            pipe.get(f"{{{TAGS[number % 3]}}}:{number}")
        replies = await pipe.execute()
    assert replies[30:] == [b"%d" % number for number in range(30)]


async def test_a_pipeline_runs_each_command_once_while_a_slot_moves(
    cluster: EmbeddedCluster, redis: ClusterRedis
) -> None:
    names = [f"{{{tag}}}:{number}" for tag in TAGS for number in range(5)]
    rounds = 0
    for _ in cluster.moving(TAGS[0]):
        async with redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.incr(name)
            await pipe.execute()
        rounds += 1
    assert [int(await redis.get(name) or 0) for name in names] == [rounds] * len(names)


async def test_a_transaction_is_whole_before_and_after_the_move_of_its_slot(
    cluster: EmbeddedCluster, redis: ClusterRedis
) -> None:
    first, second = f"{{{TAGS[1]}}}:first", f"{{{TAGS[1]}}}:second"

    async def write() -> None:
        async with redis.pipeline(transaction=True) as pipe:
            pipe.incr(first)
            pipe.incr(second)
            await pipe.execute()

    await write()
    moving = cluster.moving(TAGS[1])
    next(moving)
    writing = asyncio.create_task(write())
    for _ in moving:
        await asyncio.sleep(0.05)
    await writing
    assert [await redis.get(first), await redis.get(second)] == [b"2", b"2"]


async def test_a_transaction_over_one_key_does_not_wait_for_the_move_of_its_slot(
    cluster: EmbeddedCluster, redis: ClusterRedis
) -> None:
    key = f"{{{TAGS[1]}}}:stream"
    moving = cluster.moving(TAGS[1])
    next(moving)
    async with asyncio.timeout(60), redis.pipeline(transaction=True) as pipe:
        pipe.xadd(key, {"a": 1})
        pipe.xlen(key)
        assert (await pipe.execute())[1] == 1
    for _ in moving:
        pass
    assert await redis.xlen(key) == 1


async def test_a_transaction_with_keys_of_two_slots_is_a_mistake(redis: ClusterRedis) -> None:
    async with redis.pipeline(transaction=True) as pipe:
        pipe.incr(f"{{{TAGS[0]}}}:a")
        pipe.incr(f"{{{TAGS[1]}}}:a")
        with pytest.raises(SlotsMixed):
            await pipe.execute()


async def test_a_watched_key_that_somebody_else_changed_ends_the_transaction(redis: ClusterRedis) -> None:
    async with redis.pipeline() as pipe:
        await pipe.watch("a")
        assert await pipe.get("a") is None
        assert len(await pipe.time()) == 2
        await redis.set("a", 1)
        pipe.multi()  # type: ignore[no-untyped-call]
        pipe.set("a", 2)
        with pytest.raises(WatchError):
            await pipe.execute()
    assert await redis.get("a") == b"1"


async def test_a_watched_key_that_nobody_changed_lets_the_transaction_pass(redis: ClusterRedis) -> None:
    async with redis.pipeline() as pipe:
        await pipe.watch("a")
        pipe.multi()  # type: ignore[no-untyped-call]
        pipe.set("a", 2)
        assert await pipe.execute() == [True]
    assert await redis.get("a") == b"2"


async def test_wait_counts_the_replicas_of_the_node_that_was_written(redis: ClusterRedis) -> None:
    for tag in TAGS:
        async with redis.pipeline(transaction=False, shard_hint=IN_ORDER) as pipe:
            pipe.set(f"{{{tag}}}:a", 1)
            pipe.wait(1, 1_000)
            pipe.get(f"{{{TAGS[0]}}}:a")
            _, replicas, _ = await pipe.execute()
        assert replicas == 1


async def test_an_error_of_one_command_stands_in_its_place(redis: ClusterRedis) -> None:
    await redis.set(f"{{{TAGS[0]}}}:a", "text")
    async with redis.pipeline(transaction=False) as pipe:
        pipe.incr(f"{{{TAGS[0]}}}:a")
        pipe.incr(f"{{{TAGS[1]}}}:a")
        failed, passed = await pipe.execute(raise_on_error=False)
    assert isinstance(failed, ResponseError)
    assert passed == 1


async def test_scripts_of_a_pipeline_reach_nodes_that_do_not_know_them(redis: ClusterRedis) -> None:
    script = redis.register_script("return {ARGV[1], redis.call('INCR', KEYS[1])}")
    async with redis.pipeline(transaction=False) as pipe:
        for tag in TAGS:
            await script(keys=[f"{{{tag}}}:n"], args=[tag], client=pipe)
        assert await pipe.execute() == [[tag.encode(), 1] for tag in TAGS]
