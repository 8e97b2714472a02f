import pytest
from redis import exceptions

from tests.kit.cluster import one_tag_each
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.cluster.node_urls import Address
from times_dispatch.ledger.cluster.topology import Topology
from times_dispatch.ledger.connection import connect

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("cluster")]

TAGS = one_tag_each(f"TAG{number}" for number in range(100))


async def test_one_node_names_the_owners_of_all_slots(redis: ClusterRedis) -> None:
    await redis.topology.refresh(0)
    assert redis.topology.uncovered == 0
    assert len(await redis.primaries()) == 3


async def test_a_node_that_does_not_answer_is_asked_last(cluster: EmbeddedCluster) -> None:
    port = cluster.servers[0].port
    topology = Topology(
        [Address("127.0.0.1", 1), Address("127.0.0.1", port)],
        lambda address: connect(f"redis://{address}/0", retries=0, socket_timeout_s=0.5),
    )
    try:
        await topology.refresh(0, last=topology.node(Address("127.0.0.1", 1)))
        assert topology.uncovered == 0
    finally:
        await topology.aclose()


async def test_a_cluster_without_a_living_node_is_a_lost_connection() -> None:
    topology = Topology([Address("127.0.0.1", 1)], lambda address: connect(f"redis://{address}/0", retries=0))
    with pytest.raises(exceptions.ConnectionError, match="no node of the cluster answers"):
        await topology.owner(0)
    await topology.aclose()
