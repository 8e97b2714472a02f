"""The check finds texts that phones make clickable, and no other texts."""

import pytest

from times_dispatch.sms.rules.links import LinkWhitelist, entry_problem, find


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("Pay at evil.so:8080 now", "evil.so:8080"),
        ("Pay at evil.to/ now", "evil.to/"),
        ("Pay at 192.168.1.5:8080", "192.168.1.5:8080"),
        ("See i❤.ws/x", "i❤.ws/x"),
        ("See 💩.la", "💩.la"),
        ("★times.in★", "times.in"),
        ("•times.in", "times.in"),
        ("See pay_now.com", "pay_now.com"),
        ("Link:evil.ru", "evil.ru"),
        ("Visit times.co.in-TIMES", "times.co.in"),
        ("Visit times.co.in-TIMES.Thanks", "times.co.in"),
        ("Visit www.times.co.in-TIMES", "www.times.co.in"),
        ("Visit https://times.in-TIMES.", "https://times.in"),
        ("See https://times-pay.in", "https://times-pay.in"),
        ("See https://भारत.xn--h2brj9c", "https://भारत.xn--h2brj9c"),
        ("See https://times.in/a-TIMES", "https://times.in/a-TIMES"),
        ("See evil.in-pay.com/x", "evil.in-pay.com/x"),
        ("See(evil.ru)", "evil.ru"),
        ("evil.com, now", "evil.com"),
        ("see...bit.ly/x", "bit.ly/x"),
        ("मेरा.भारत", "मेरा.भारत"),
        ("evil。com/x", "evil.com/x"),
        ("HTTPS://EVIL.ZZ", "HTTPS://EVIL.ZZ"),
        ("TIMES.IN", "TIMES.IN"),
        ("Times.Com", "Times.Com"),
        ("wa.me/919876543210", "wa.me/919876543210"),
        ("https:/t.in", "t.in"),
        ("https//t.in now", "t.in"),
        ("HTTPS:/T.IN/x", "T.IN/x"),
        ("http:t.in", "t.in"),
        ("28 feb.in/x", "feb.in/x"),
        ("Sun.com", "Sun.com"),
        ("Follow us at t.me", "t.me"),
        ("Order on amzn.to now", "amzn.to"),
        ("Watch: youtu.be", "youtu.be"),
        ("Open m.me.", "m.me"),
        ("Pay with phon.pe!", "phon.pe"),
        ("bit.ly", "bit.ly"),
        ("Visit times.in-TIMES", "times.in"),
        ("a-b.in-now", "a-b.in"),
        ("“https://t.in/x”", "https://t.in/x"),
    ],
)
def test_a_link_is_found(text: str, link: str) -> None:
    assert find(text) == [link]


@pytest.mark.parametrize(
    "text",
    [
        "B.Com",
        "BBA/B.Com",
        "M.COM/B.Com",
        "Opp.Bank of Baroda",
        "Nr.Store, MG Road",
        "Bill paid.In case of doubt",
        "Thank you.Visit.Store again",
        "Mr.Dev K.Li Dr.Sen",
        "S.No/12 Inv.No:123/2025-26 H.No:12/3",
        "10.30.am/11.30.am 1.2.3.4 12.10.2026",
        "Change your pin.it expires, what to do a bit.do not wait, T.Co S.Id",
        "done.so sent.to it.is Call.us",
        "Pvt.Ltd. and Co.Op",
        "A.m/P.m",
        "valid till 28 Feb.in stores",
        "till 28 february.in stores, till 28.in stores, open till 10pm.in Pune, since 2026.in Pune",
        "Write to care@bank.co.in or pay asha@okaxis, care.team@bank.in/asha@ybl",
        "___.___ ._. _.a ❤. ★.★",
    ],
)
def test_other_texts_hold_no_link(text: str) -> None:
    assert find(text) == []


def test_a_link_to_an_app_is_found_and_can_be_allowed() -> None:
    text = "Pay upi://pay?pa=times@ybl&am=10 now"

    assert find(text) == ["upi://pay?pa=times@ybl&am=10"]
    assert entry_problem("upi://pay?") is None
    assert entry_problem("https://pay?") is not None
    assert LinkWhitelist(["upi://pay?"]).missing(text) == []
    assert LinkWhitelist(["upi://mandate?", "times.in"]).missing(text) == ["upi://pay?pa=times@ybl&am=10"]


@pytest.mark.parametrize("text", ["Install times.apk now", "Mail care@bank.co.in/pay now"])
def test_the_name_of_a_file_and_an_address_with_a_slash_are_no_links(text: str) -> None:
    assert find(text) == []


def test_a_word_that_is_glued_to_the_scheme_is_no_part_of_the_link() -> None:
    assert find("Thank you forhttps://times.example/a.") == ["https://times.example/a"]
    assert LinkWhitelist(["times.example"]).missing("forhttps://times.example/a, forhttp://evil.in") == [
        "http://evil.in"
    ]


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("Visit times.in-evil.com-TIMES", "times.in-evil.com"),
        ("Visit times.co.in-evil.com-TIMES.Thanks", "times.co.in-evil.com"),
        ("Visit times.in-evil.com-TIMES.Thank-you", "times.in-evil.com"),
        ("Visit https://times.in-evil.com-TIMES", "https://times.in-evil.com"),
        ("Visit evil.in-times.co.in", "evil.in-times.co.in"),
        ("Visit times.co.in-evil.in", "times.co.in-evil.in"),
        ("Visit evil.in-https://times.in", "evil.in"),
        ("Visit evil.in.https://times.in", "evil.in"),
        ("Visit evil.inhttps://times.in", "evil.in"),
        ("Visit www.evil.in-https://times.in", "www.evil.in-https://times.in"),
        ("Visit evil.in😀https://times.in", "evil.in"),
        ("Visit javascripthttps://evil.in", "https://evil.in"),
        ("Visit https://times.in-TIMES@evil.in", "https://times.in-TIMES@evil.in"),
    ],
)
def test_no_whitelisted_link_beside_a_dash_or_a_glued_word_hides_another(text: str, link: str) -> None:
    assert LinkWhitelist(["times.in", "times.co.in"]).missing(text) == [link]


@pytest.mark.parametrize("before", ["For details-", "Bill paid.Details.", "Pay Rs.500", "No.1-", "care@bank.co.in-"])
def test_a_word_with_a_dot_before_a_scheme_is_no_link(before: str) -> None:
    assert LinkWhitelist(["times.in"]).missing(f"{before}https://times.in/a") == []
