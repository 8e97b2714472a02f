import pytest
from redis.crc import key_slot

from times_dispatch.demo.redis_cluster import EmbeddedCluster, call

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("cluster")]


def test_an_embedded_cluster_serves_all_slots_and_moves_a_slot_with_its_keys() -> None:
    with EmbeddedCluster(primaries=2, replicas=0) as cluster:
        source = cluster.owner("a")
        for number in range(5):
            call(source, "SET", f"{{a}}:{number}", number)
        assert list(cluster.moving("a"))[-1] == 5
        target = cluster.owner("a")
        assert target is not source
        assert call(target, "CLUSTER", "COUNTKEYSINSLOT", key_slot(b"a")) == 5
    assert not any(server.running for server in cluster.servers)
