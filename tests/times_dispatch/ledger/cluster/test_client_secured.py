"""A cluster with TLS and with the users of ``redis-users.acl``."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as SyncRedis

from tests.kit.cluster import one_tag_each
from tests.kit.redis_users import PROCESS_USERS, add_users
from tests.kit.tls import Certificates, TlsServer, tls_server
from times_dispatch.demo.redis_cluster import EmbeddedCluster, call
from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.connection import RedisUnavailable, check, connect

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("cluster")]

TAGS = one_tag_each(f"TAG{number}" for number in range(100))


@pytest.fixture(scope="module")
def secured() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(replicas=0) as cluster:
        for server in cluster.servers:
            with SyncRedis.from_url(server.url) as redis:
                add_users(redis, "mellon")
        yield cluster


@pytest.mark.parametrize("user", PROCESS_USERS)
async def test_each_user_may_ask_who_owns_the_slots_and_follow_a_slot_that_moves(
    secured: EmbeddedCluster, user: str
) -> None:
    async with connect(secured.url.replace("://", f"://{user}:mellon@")) as redis:
        assert isinstance(redis, ClusterRedis)
        primaries: list[Any] = list((await redis.primaries()).values())
        assert len(primaries) == 3
        assert await primaries[0].execute_command("ASKING")


async def test_a_wrong_password_is_named_and_not_shown(secured: EmbeddedCluster) -> None:
    async with connect(secured.url.replace("://", "://worker:hunter2@"), retries=0) as redis:
        with pytest.raises(RedisUnavailable, match="refused the password") as refused:
            await check(redis)
    assert "hunter2" not in str(refused.value)


async def test_a_user_who_may_not_ask_for_the_nodes_is_told_so(secured: EmbeddedCluster) -> None:
    for server in secured.servers:
        call(server, "ACL", "SETUSER", "old", "on", ">mellon", "~*", "+@all", "-cluster|slots")
    async with connect(secured.url.replace("://", "://old:mellon@"), retries=0) as redis:
        with pytest.raises(RedisUnavailable, match=r"cluster\|slots") as refused:
            await check(redis)
    assert all(f"127.0.0.1:{server.port}" in str(refused.value) for server in secured.servers[:2])


@pytest.fixture
def proxies(secured: EmbeddedCluster, tmp_path: Path) -> Iterator[tuple[Certificates, list[TlsServer]]]:
    """A TLS proxy in front of each node; the node announces the port of its proxy."""
    certificates = Certificates(tmp_path)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(tls_server(certificates.server("trusted"), server.port)) for server in secured.servers
        ]
        for server, proxy in zip(secured.servers, servers, strict=True):
            call(server, "CONFIG", "SET", "cluster-announce-port", proxy.port)
            stack.callback(call, server, "CONFIG", "SET", "cluster-announce-port", 0)
        secured.wait_for_ports({proxy.port for proxy in servers})
        yield certificates, servers


async def test_every_node_is_reached_through_tls(proxies: tuple[Certificates, list[TlsServer]]) -> None:
    certificates, servers = proxies
    url = f"rediss+cluster://127.0.0.1:{servers[0].port}/0?ssl_ca_certs={certificates.ca}"
    async with connect(url) as redis:
        for hash_tag in TAGS:
            await redis.set(f"{{{hash_tag}}}:a", 1)
        assert [await redis.get(f"{{{hash_tag}}}:a") for hash_tag in TAGS] == [b"1"] * 3
    assert all(server.connections for server in servers)
