import pytest

from times_dispatch.ledger.cluster.node_urls import Address, is_cluster, parse


def test_the_url_of_a_cluster_names_several_nodes_and_one_login() -> None:
    url = parse("rediss+cluster://app:p%40ss@one.example:7000,two.example,[::1]:7002/0?ssl_ca_certs=/etc/ca.pem")
    assert url.nodes == (Address("one.example", 7000), Address("two.example", 6379), Address("::1", 7002))
    assert url.of_node(url.nodes[0]) == "rediss://app:p%40ss@one.example:7000/0?ssl_ca_certs=/etc/ca.pem"
    assert url.of_node(url.nodes[2]) == "rediss://app:p%40ss@[::1]:7002/0?ssl_ca_certs=/etc/ca.pem"


def test_the_url_of_a_single_redis_is_not_the_url_of_a_cluster() -> None:
    assert is_cluster("redis+cluster://one:1")
    assert not is_cluster("redis://one:1")
    assert not is_cluster("rediss://one:1")


@pytest.mark.parametrize(
    "url",
    [
        "redis://hunter2:1",
        "redis+cluster://",
        "redis+cluster://hunter2:0",
        "redis+cluster://hunter2:65536",
        "redis+cluster://hunter2:1,",
        "redis+cluster://hunter2:1/2",
        "redis+cluster://:hun/ter2@redis.example:6379",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is no URL of a cluster|has an address)") as refused:
        parse(url)
    assert "hun" not in str(refused.value)
