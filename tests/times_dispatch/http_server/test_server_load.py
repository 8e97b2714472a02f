from ipaddress import ip_network

import pytest

from times_dispatch.http_server.server_load import ServerLimits, ServerLoad, grouped

PROXY = "10.0.0.1"
LIMITS = ServerLimits(
    max_connections=3,
    max_requests=3,
    max_per_address=2,
    max_held_bytes=100,
    short_request_bytes=10,
    trusted_proxies=[ip_network("10.0.0.0/8")],
)


class Connection:
    def __init__(self) -> None:
        self.is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


def test_an_address_has_so_many_connections_and_gets_one_again_when_one_is_closed() -> None:
    load = ServerLoad(LIMITS)
    first, second, third = Connection(), Connection(), Connection()
    assert [load.open(connection, "1.1.1.1") for connection in (first, second, third)] == [True, True, False]
    load.close(third, "1.1.1.1")
    assert load.open(Connection(), "2.2.2.2")
    load.close(first, "1.1.1.1")
    assert load.open(third, "1.1.1.1")


def test_a_trusted_proxy_has_as_many_connections_as_there_are() -> None:
    load = ServerLoad(LIMITS)
    assert all(load.open(Connection(), PROXY) for _ in range(3))


def test_the_oldest_connection_without_a_request_is_closed_for_a_new_one_silent_ones_first() -> None:
    load = ServerLoad(LIMITS)
    idle, silent, working, new = Connection(), Connection(), Connection(), Connection()
    for connection in (idle, silent, working):
        load.open(connection, PROXY)
    for connection in (idle, working):
        load.begin(connection, "")
    load.end(idle, "", is_idle=True)
    load.open(new, PROXY)
    assert [connection.is_aborted for connection in (idle, silent, working, new)] == [False, True, False, False]


def test_the_oldest_idle_connection_is_closed_for_a_new_one_if_none_is_silent() -> None:
    load = ServerLoad(LIMITS)
    idle = [Connection() for _ in range(3)]
    for connection in idle:
        load.open(connection, PROXY)
        load.begin(connection, "")
        load.end(connection, "", is_idle=True)
    new = Connection()
    assert load.open(new, PROXY)
    assert [connection.is_aborted for connection in (*idle, new)] == [True, False, False, False]


def test_a_connection_is_closed_itself_if_all_others_have_a_request() -> None:
    load = ServerLoad(LIMITS)
    for _ in range(3):
        working = Connection()
        load.open(working, PROXY)
        load.begin(working, "")
    assert not load.open(Connection(), PROXY)


def test_requests_under_way_are_bounded_in_total_and_for_each_client_of_a_proxy() -> None:
    load = ServerLoad(LIMITS)
    connection = Connection()
    assert [load.begin(connection, "1.1.1.1") for _ in range(3)] == [True, True, False]
    assert not load.begin(connection, "2.2.2.2")  # this is the fourth request in total
    for client in ("1.1.1.1", "1.1.1.1", "1.1.1.1", "2.2.2.2"):
        load.end(connection, client, is_idle=False)
    assert (load.requests, load.begin(connection, "1.1.1.1")) == (0, True)


def test_beyond_the_bytes_only_short_requests_go_on_and_heads_have_half_of_the_bytes() -> None:
    load = ServerLoad(LIMITS)
    assert load.hold(50, 50, is_head=True)
    assert not load.hold(1, 11, is_head=True)
    assert load.hold(49, 11, is_head=False)
    assert not load.hold(1, 11, is_head=False)
    assert load.hold(1, 10, is_head=False)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (PROXY, b"1.1.1.1", "1.1.1.1"),
        (PROXY, b"6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (PROXY, b"6.6.6.6, 1.1.1.1, 10.2.2.2", "1.1.1.1"),
        (PROXY, b"2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        (PROXY, b"", ""),
        (PROXY, b"10.2.2.2", ""),
        ("1.1.1.1", b"2.2.2.2", ""),
        ("", b"2.2.2.2", ""),
    ],
)
def test_only_a_trusted_proxy_says_for_whom_it_posts(peer: str, forwarded: bytes, client: str) -> None:
    assert ServerLoad(LIMITS).client(peer, [(b"host", b"a"), (b"x-forwarded-for", forwarded)]) == client


@pytest.mark.parametrize(
    ("address", "group"),
    [("1.2.3.4", "1.2.3.4"), ("::ffff:1.2.3.4", "1.2.3.4"), ("::1", "::1"), ("fe80::1", "fe80::/64"), ("x", "x")],
)
def test_a_network_of_ipv6_counts_as_one_address(address: str, group: str) -> None:
    assert grouped(address) == group


VISITS = ServerLimits(
    max_per_address=1, max_visits_per_address=3, max_requests=100, trusted_proxies=[ip_network("10.0.0.0/8")]
)


def is_visit(path: bytes) -> bool:
    return path == b"/TIMESM/code"


@pytest.mark.parametrize(
    ("peer", "headers"), [("1.1.1.1", []), (PROXY, [(b"x-forwarded-for", b"1.1.1.1")])], ids=["direct", "proxy"]
)
def test_visits_of_tracked_links_and_posts_of_one_address_have_limits_of_their_own(
    peer: str, headers: list[tuple[bytes, bytes]]
) -> None:
    load = ServerLoad(VISITS, is_visit=is_visit)
    visitor = load.client(peer, headers, b"/TIMESM/code?utm=1")
    poster = load.client(peer, headers, b"/callbacks/secret")

    assert [load.begin(Connection(), visitor) for _ in range(4)] == [True, True, True, False]
    assert [load.begin(Connection(), poster) for _ in range(2)] == [True, False]
    load.end(Connection(), visitor, is_idle=False)
    load.end(Connection(), visitor, is_idle=False)
    assert load.begin(Connection(), visitor)


def test_with_visits_an_address_has_as_many_connections_as_the_larger_limit() -> None:
    load = ServerLoad(VISITS, is_visit=is_visit)
    assert [load.open(Connection(), "1.1.1.1") for _ in range(4)] == [True, True, True, False]


def test_without_a_limit_for_visits_direct_requests_count_as_nobodys() -> None:
    load = ServerLoad(LIMITS, is_visit=is_visit)
    assert load.client("1.1.1.1", [], b"/TIMESM/code") == ""
    assert load.client(PROXY, [(b"x-forwarded-for", b"1.1.1.1")], b"/TIMESM/code") == "1.1.1.1"


def test_an_address_of_any_length_takes_little_memory() -> None:
    load = ServerLoad()
    for address in ("x" * 100_000, "fe80::1%" + "x" * 100_000):
        assert len(grouped(address)) <= 64
        assert not load.is_trusted(address)
