"""The URL of a Redis behind Sentinel."""

import pytest

from times_dispatch.ledger.sentinel.url import is_sentinel, parse

URL = "redis+sentinel://worker:p%40ss@s1:26379,s2,[::1]:7000/3?master=dispatch"


def test_a_url_names_the_sentinels_the_primary_and_its_login() -> None:
    url = parse(URL)
    assert url.sentinels == (("s1", 26379), ("s2", 26379), ("::1", 7000))
    assert (url.master, url.database, url.login) == ("dispatch", 3, "worker:p%40ss@")
    assert url.of_server == "redis://worker:p%40ss@s1:26379/3"
    assert url.of_sentinels == ["redis://s1:26379/0", "redis://s2:26379/0", "redis://[::1]:7000/0"]
    assert url.of_broker == (
        "sentinel://worker:p%40ss@s1:26379/3;sentinel://worker:p%40ss@s2:26379/3;sentinel://worker:p%40ss@[::1]:7000/3"
    )
    assert url.shown == "dispatch (Sentinel at s1:26379, s2:26379, [::1]:7000)"


def test_sentinels_get_the_login_only_if_the_url_says_so_and_tls_as_the_primary_does() -> None:
    url = parse("rediss+sentinel://:pw@s1/0?master=m&sentinel_login=yes&ssl_ca_certs=%2Fca.pem")
    assert url.of_sentinels == ["rediss://:pw@s1:26379/0?ssl_ca_certs=%2Fca.pem"]
    assert url.of_server == "rediss://:pw@s1:26379/0?ssl_ca_certs=%2Fca.pem"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+sentinel://:secret@s1", "needs the option master=NAME"),
        ("redis+sentinel://:secret@s1?master=a b", "needs the option master=NAME"),
        ("redis+sentinel://:secret@s1/x?master=m", "is no URL like"),
        ("redis://:secret@s1?master=m", "is no URL like"),
        ("redis+sentinel://:secret@?master=m", "a sentinel that is not host:port"),
        ("redis+sentinel://:secret@s1:0?master=m", "a sentinel that is not host:port"),
        ("redis+sentinel://:secret@s1:65536?master=m", "a sentinel that is not host:port"),
        ("redis+sentinel://:secret@s1,,s2?master=m", "a sentinel that is not host:port"),
        ("redis+sentinel://s1?master=m&sentinel_login=maybe", "sentinel_login that is neither yes nor no"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parse(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "behind"),
    [(URL, True), ("rediss+sentinel://s", True), ("redis://s", False), ("amqp://s", False), ("", False)],
)
def test_only_urls_of_sentinel_are_taken_for_one(url: str, behind: bool) -> None:
    assert is_sentinel(url) is behind
