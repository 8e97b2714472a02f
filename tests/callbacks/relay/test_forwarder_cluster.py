"""Forwarding from a ledger on a cluster, where the queue and the reports are on different nodes."""

import asyncio
from collections.abc import Iterator

import pytest

from callbacks.relay.forward_queue import ForwardQueue
from callbacks.relay.forwarder import Forwarder
from tests.callbacks.relay.test_forwarder import QUICK, click
from tests.kit.mirror_host import MirrorHost
from tests.kit.waiting import eventually
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.reports.forward_backlog import read_forward_backlog

pytestmark = pytest.mark.processes


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    servers = EmbeddedCluster(replicas=0)
    servers.start()
    try:
        yield servers
    finally:
        servers.stop()


async def test_a_cluster_forwards_in_order_and_waits_for_unfinished_reports(
    cluster: EmbeddedCluster, mirror: MirrorHost
) -> None:
    stop = asyncio.Event()
    async with connect(cluster.url) as redis:
        now_ms = int((await redis.time())[0]) * 1000
        queue = ForwardQueue(redis)
        events = [(f"{now_ms}-{number}".encode(), 0, click("message", number)) for number in range(20)]
        await queue.add_all(list(reversed(events)))
        await redis.xadd("reports", {"b": b"x"}, id=f"{now_ms}-10")
        running = asyncio.create_task(Forwarder(redis, mirror.url, limits=QUICK).run(stop))
        await eventually(lambda: asyncio.sleep(0, len(mirror.taken) >= 10))
        assert mirror.of("message") == [f"clicked {number}" for number in range(10)]
        await redis.xdel("reports", f"{now_ms}-10")
        await eventually(lambda: asyncio.sleep(0, len(mirror.taken) >= 20))
        stop.set()
        await asyncio.wait_for(running, 30)
        assert mirror.of("message") == [f"clicked {number}" for number in range(20)]
        assert (await read_forward_backlog(redis)).totals == {"taken": 20}
