import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.sms.rules.links import (
    LinkWhitelist,
    _canonical,
    _canonical_by_urlsplit,
    entry_problem,
    find,
    may_contain_links,
)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("Pay at https://times.in/a?b=c#d now", ["https://times.in/a?b=c#d"]),
        ("Pay at http://times.example.", ["http://times.example"]),
        ("see www.times.example/x, please", ["www.times.example/x"]),
        ("bit.ly/TIMESM/x1!", ["bit.ly/TIMESM/x1"]),
        ("TIMES.IN", ["TIMES.IN"]),
        ("shipped.in case", ["shipped.in"]),
        ("(times.in) and times.com", ["times.in", "times.com"]),
        ("नमस्ते times.in।", ["times.in"]),
        ("उदाहरण.भारत/पथ", ["उदाहरण.भारत/पथ"]),
        ("market://details?id=com.x", ["market://details?id=com.x"]),
        ("HTTPS://TIMES.IN", ["HTTPS://TIMES.IN"]),
        ("http://10.0.0.1/x", ["http://10.0.0.1/x"]),
        *(
            (link, [link])
            for link in (
                "amzn.to/3xYz",
                "youtu.be/abc",
                "is.gd/abc",
                "rb.gy/abc",
                "shorturl.at/abc",
                "evil.ru/pay",
                "tiny.one/abc",
                "goo.su/abc",
                "clck.ru/a",
                "evil.dev",
                "evil.ru",
                "evil.no/pay",
                "192.168.1.5/pay",
                "10.0.0.1:8080/x",
                "evil.to?id=1",
                "xn--e1afmkfd.xn--p1ai",
                "x.com",
                "shop.gov.np",
                "t.me/x",
            )
        ),
        ("evil。com/x", ["evil.com/x"]),
        ("evil．ru and evil｡co｡uk", ["evil.ru", "evil.co.uk"]),
        ("192。168。1。5/pay", ["192.168.1.5/pay"]),
        ("youtu.be./abc", ["youtu.be./abc"]),
        ("see...bit.ly/x -rb.gy/y and/or evil.ru", ["bit.ly/x", "rb.gy/y", "evil.ru"]),
        ("S.No/12,evil.ru/x", ["evil.ru/x"]),
        ("Pay at times.in.Please hurry", ["times.in"]),
        ("times.in.evil.so", ["times.in.evil.so"]),
        ("No.5/A a.m/p.m Rs.500/- S.No/12 Rs.Five/- St.Mary/Cross Dr.Rao order.Please", []),
        ("Inv.No:123/2025-26 H.No:12/3,MG Road Clinic.Ph:9876543210 Sir.Pl pay Shop.Nr bus stand off.TC apply", []),
        ("due.Loan A/c 1234 query.Email us issue.Network down B.Tech/M.Tech M.Sc/B.Sc 10.30.am/11.30.am", []),
        ("t.me/shop t.co/a1", ["t.me/shop", "t.co/a1"]),
        ("H.No/4-5 Amt.Rs/- Mr.Dev K.Dev B.Tech 9.am/9.pm 2.kg/5.kg", []),
        ("done.so sent.to it.is Call.us Deliver.To:Ravi Cust.Id today.Now", []),
        ("1,250.50 12.10.2026/13 1.2.3.4 999.1.1.1/x 10.30-11.30", []),
        ("Rs.500 to Mr.Rao, Dr.Sen, No.5, K.Ram", []),
        ("5.50", []),
        ("mail a.b@times.in", []),
        ("mail x.in@times.zz", []),
        ("e.g. this", []),
        ("", []),
        ("//times", []),
    ],
)
def test_links_are_found_as_phones_find_them(text: str, links: list[str]) -> None:
    assert find(text) == links


@pytest.mark.parametrize(
    ("entry", "link", "allowed"),
    [
        ("times.in", "times.in", True),
        ("times.in", "https://www.times.in/any?x=1#y", True),
        ("times.in", "HTTP://TIMES.IN/A", True),
        ("times.in", "https://times.in:443/", True),
        ("https://times.in", "times.in/x", True),
        ("times.in", "https://times.in:8443/", False),
        ("times.in", "sub.times.in", False),
        ("times.in", "times.in.evil.com", False),
        ("times.in", "https://times.in@evil.com/", False),
        ("times.in", "https://evil.com/times.in", False),
        ("times.in", "https://times.in\\@evil.com", False),
        ("times.in", "nottimes.in", False),
        ("times.in", "https://times.in/app.apk", False),
        ("times.in", "https://times.in/APP.APK?x=1", False),
        ("times.in", "market://times.in", False),
        ("https://times.in/app.apk", "http://times.in/app.apk", True),
        ("https://times.in/sale", "times.in/sale", True),
        ("https://times.in/sale", "times.in/sale?x=1", False),
        ("https://times.in/sale", "times.in/sales", False),
        ("https://times.in/sale", "times.in/Sale", False),
        ("https://times.in/sale", "times.in", False),
        ("https://times.in/sale?", "times.in/sale?x=1", True),
        ("https://times.in/sale?", "times.in/sale", True),
        ("https://times.in/sale?", "times.in/sale/x", False),
        ("https://times.in/sale?", "times.in/sales", False),
        ("https://bit.ly/TIMESM/", "bit.ly/TIMESM/xyz", True),
        ("https://bit.ly/TIMESM/", "bit.ly/timesm/xyz", False),
        ("https://bit.ly/TIMESM/", "bit.ly/OTHERS/xyz", False),
        ("market://details?id=com.x", "market://details?id=com.x", True),
        ("उदाहरण.भारत", "https://उदाहरण.भारत/x", True),
        ("times.in", "https://[::1", False),
        ("times.in", "https://times.in:99999/", False),
    ],
)
def test_a_link_is_allowed_only_as_it_was_whitelisted(entry: str, link: str, allowed: bool) -> None:
    assert LinkWhitelist([entry]).allows(link) is allowed


@given(st.text("ax.-:/@?#\\W1", max_size=14), st.sampled_from(["", "http://", "https://", "www.", "https://www."]))
def test_the_fast_reading_of_a_link_agrees_with_urlsplit(rest: str, start: str) -> None:
    link = start + rest
    long_way = _canonical_by_urlsplit(link)

    assert _canonical(link) == long_way


def test_a_text_with_a_link_passes_the_fast_check() -> None:
    assert [may_contain_links(text) for text in ("Asha", "1,250.50", "आशा", "Rs.500")] == [False] * 4
    assert all(map(may_contain_links, ("1.2.3.4/x", "a。in", "x://y", "evil.ru", "１.in")))


def test_without_a_whitelist_every_link_is_missing() -> None:
    assert LinkWhitelist([]).missing("go to times.in or bit.ly/x") == ["times.in", "bit.ly/x"]
    assert LinkWhitelist(["times.in"]).missing("go to times.in or bit.ly/x") == ["bit.ly/x"]


@pytest.mark.parametrize("entry", ["times.in", "https://times.in/sale?", "bit.ly/TIMESM/", "https://t.in/a.apk"])
def test_domains_and_links_can_be_whitelisted(entry: str) -> None:
    assert entry_problem(entry) is None


@pytest.mark.parametrize("entry", ["", "times", "two words.in", "https://user@times.in", "*.in\\x", "9876543210"])
def test_other_entries_cannot_be_whitelisted(entry: str) -> None:
    assert entry_problem(entry) is not None
