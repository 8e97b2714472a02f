"""One cluster for all tests of this folder, empty at the start of each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.kit.process_guard import allowing_processes
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.connection import connect


@pytest.fixture(scope="session")
def cluster_servers() -> Iterator[EmbeddedCluster]:
    cluster = EmbeddedCluster()
    with allowing_processes():
        cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(cluster_servers: EmbeddedCluster) -> EmbeddedCluster:
    cluster_servers.flush()
    return cluster_servers


@pytest.fixture
async def redis(cluster: EmbeddedCluster) -> AsyncIterator[ClusterRedis]:
    async with connect(cluster.url) as client:
        assert isinstance(client, ClusterRedis)
        yield client
