import asyncio
from collections.abc import Iterable
from contextlib import suppress

import pytest
from redis import exceptions

from tests.kit.cluster import one_tag_each
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.connection import RedisUnavailable, check, connect, servers_of
from times_dispatch.ledger.monitoring.health import urgent_warnings
from times_dispatch.ledger.numbers.opt_outs import OptOuts

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("cluster")]

TAGS = one_tag_each(f"TAG{number}" for number in range(100))


async def test_keys_of_all_slots_are_written_and_read_through_one_client(
    cluster: EmbeddedCluster, redis: ClusterRedis
) -> None:
    for tag in TAGS:
        await redis.set(f"{{{tag}}}:a", tag)
    assert [await redis.get(f"{{{tag}}}:a") for tag in TAGS] == [tag.encode() for tag in TAGS]
    assert {cluster.owner(tag).port for tag in TAGS} == {server.port for server in cluster.servers[:3]}


async def test_a_script_reaches_the_node_that_has_its_keys(redis: ClusterRedis) -> None:
    script = redis.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert [await script(keys=[f"{{{tag}}}:n"], args=[7]) for tag in TAGS] == [7, 7, 7]
    assert [await script(keys=[f"{{{tag}}}:n"], args=[1]) for tag in TAGS] == [8, 8, 8]


async def test_a_client_that_knows_an_old_owner_follows_the_slot(cluster: EmbeddedCluster, redis: ClusterRedis) -> None:
    key = f"{{{TAGS[0]}}}:a"
    await redis.set(key, 1)
    _all(cluster.moving(TAGS[0]))
    assert await redis.get(key) == b"1"
    await redis.set(key, 2)
    assert await redis.get(key) == b"2"


async def test_a_single_key_is_read_and_written_while_its_slot_moves(
    cluster: EmbeddedCluster, redis: ClusterRedis
) -> None:
    names = [f"{{{TAGS[1]}}}:{number}" for number in range(9)]
    for name in names:
        await redis.set(name, 0)
    for _ in cluster.moving(TAGS[1]):
        for name in names:
            await redis.incr(name)
        await redis.incr(f"{{{TAGS[1]}}}:new")
    assert {await redis.get(name) for name in names} == {await redis.get(f"{{{TAGS[1]}}}:new")} == {b"5"}


async def test_a_script_waits_while_the_keys_of_its_tag_are_on_two_nodes(
    cluster: EmbeddedCluster, redis: ClusterRedis
) -> None:
    tag = TAGS[2]
    for number in range(6):
        await redis.set(f"{{{tag}}}:{number}", 1)
    count = redis.register_script("return redis.call('EXISTS', unpack(ARGV))")
    names = [f"{{{tag}}}:{number}" for number in range(6)]
    assert await count(keys=[f"{{{tag}}}"], args=names) == 6
    moving = cluster.moving(tag)
    next(moving)
    next(moving)
    running = asyncio.create_task(count(keys=[f"{{{tag}}}"], args=names))
    await asyncio.sleep(0.3)
    assert not running.done()
    _all(moving)
    assert await running == 6


async def test_a_script_gives_up_when_its_slot_does_not_settle(cluster: EmbeddedCluster) -> None:
    tag = TAGS[2]
    async with connect(cluster.url, socket_timeout_s=0.3) as impatient:
        script = impatient.register_script("return 1")
        await script(keys=[f"{{{tag}}}"])
        moving = cluster.moving(tag)
        next(moving)
        with pytest.raises((exceptions.AskError, exceptions.TryAgainError)):
            await script(keys=[f"{{{tag}}}"])
        _all(moving)
        assert await script(keys=[f"{{{tag}}}"]) == 1


async def test_writes_go_on_after_a_failover(cluster: EmbeddedCluster, redis: ClusterRedis) -> None:
    key = f"{{{TAGS[0]}}}:writes"
    await redis.set(key, 0)
    written = 0
    failover = asyncio.create_task(asyncio.to_thread(cluster.fail_over, TAGS[0]))
    while not failover.done() or written < 100:
        with suppress(exceptions.RedisError):
            await redis.incr(key)
            written += 1
    await failover
    assert int(await redis.get(key) or 0) >= written


async def test_all_opt_outs_are_listed_while_their_slot_moves(cluster: EmbeddedCluster, redis: ClusterRedis) -> None:
    opt_outs, numbers = OptOuts(redis), [f"91987{number:02}12345" for number in range(30)]
    await opt_outs.add(numbers)
    moving = cluster.moving("opt_outs")
    for _ in range(3):
        next(moving)
    counting = asyncio.create_task(opt_outs.count())
    await asyncio.sleep(0.2)
    _all(moving)
    assert await counting == 30
    groups = opt_outs.iterate()
    listed = list(await anext(groups))
    _all(cluster.moving("opt_outs"))
    async for group in groups:
        listed += group
    assert sorted(listed) == numbers


async def test_all_opt_outs_are_listed_on_whichever_node_they_are(
    cluster: EmbeddedCluster, redis: ClusterRedis
) -> None:
    opt_outs, numbers = OptOuts(redis), ["919871512345", "919872612345"]
    await opt_outs.add(numbers)
    primaries = [server for server in cluster.servers if cluster.role(server) == "master"]
    for target in primaries:
        if target is not cluster.owner("opt_outs"):
            _all(cluster.moving("opt_outs", target=target))
        assert await opt_outs.count() == 2
        assert sorted([number async for group in opt_outs.iterate() for number in group]) == numbers


async def test_the_check_at_the_start_speaks_of_each_node(cluster: EmbeddedCluster, redis: ClusterRedis) -> None:
    warnings = await check(redis)
    assert len(await servers_of(redis)) >= 3
    for address in await servers_of(redis):
        assert any(warning.startswith(f"Redis at {address}: appendonly is off") for warning in warnings), warnings


async def test_a_node_that_is_away_is_named_and_the_others_can_be_used() -> None:
    with EmbeddedCluster(replicas=0, options={"cluster-require-full-coverage": "no"}) as cluster:
        async with connect(cluster.url, retries=0) as redis:
            assert isinstance(redis, ClusterRedis)
            await redis.primaries()
            away = cluster.servers[2]
            away.kill()
            assert (await redis.info("memory"))["used_memory"] > 0
            warnings = [*await check(redis), *await urgent_warnings(redis)]
            named = [line for line in warnings if line.startswith(f"Redis at 127.0.0.1:{away.port}: does not answer")]
            assert len(named) == 2, warnings


async def test_a_single_redis_is_no_cluster(redis_url: str) -> None:
    async with connect(redis_url.replace("redis://", "redis+cluster://"), retries=0) as redis:
        with pytest.raises(RedisUnavailable, match="no connection"):
            await check(redis)


def _all(steps: Iterable[object]) -> None:
    for _ in steps:
        pass
