from urllib.parse import urlsplit

import pytest

from times_dispatch.ledger.urls_of_hosts import split_hosts


def test_hosts_of_every_kind_stay_together() -> None:
    parts = split_hosts("redis+cluster://app:p%40ss@one.example:7000,[::1]:7001,two/0?ssl_ca_certs=/etc/ca.pem#x")
    assert parts == (
        "redis+cluster",
        "app:p%40ss@one.example:7000,[::1]:7001,two",
        "/0",
        "ssl_ca_certs=/etc/ca.pem",
        "x",
    )


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://one:7000,two:7001",
        "redis+cluster://one:7000,two:7001/",
        "redis+sentinel://user:pass@one,two:26379/3?master=main&a=b",
        "redis+sentinel://one?master=main",
        "redis+sentinel://one#part",
        "redis+cluster://",
    ],
)
def test_other_urls_are_split_as_urllib_does(url: str) -> None:
    assert split_hosts(url) == urlsplit(url)
