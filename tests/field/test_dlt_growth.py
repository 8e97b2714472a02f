"""Searching a foreign text takes time in proportion to the length of the text."""

import time
from functools import partial

import pytest

from tests.kit.growth import superlinear
from times_dispatch.sms.placeholders import right_spelling, unfilled
from times_dispatch.sms.rules import callback_numbers, links
from times_dispatch.sms.templates import Slot

pytestmark = pytest.mark.slow

UNITS = (
    "a",
    "a-",
    "a.",
    "a.zz/",
    "a.in/",
    "-",
    "._",
    "1.",
    "a:",
    "://",
    "http:",
    "💩.",
    "(",
    "www.",
    "98-",
    "+",
    "0",
    "9 ",
    "a@",
    "@a.in",
    "a_",
    "a.-",
    "{",
    "{#",
    "#",
    "%",
    "{# ",
    "1800 ",
    "call 2 ",
    "a b.c/",
    "a.in",
    "https:/a.a ",
    "1.1.1.1",
    "क.",
    "。",
    "9\n",
    "98765\n",
    "(0)",
    "080/",
    "Rao-",
    "sms a",
    "call us on ",
    "XXX ",
    "[",
    "|",
    "$a",
    "~a",
    "a b",
    "9·",
    "9\u200b",
    "022_",
    "+91/",
    "98765,43210 ",
    "call 98765,43210 ",
)


def cpu_s(unit: str, length: int) -> float:
    text = (unit * length)[:length]
    started_s = time.process_time()
    links.find(text)
    links.LinkWhitelist(["times.in", "https://sho.rt/TIMESM/"]).missing(text)
    callback_numbers.find(text)
    callback_numbers.context_before(text)
    right_spelling(text)
    unfilled(text)
    for kind in ("url", "email", "alphanumeric", "cbn"):
        Slot(kind).check(text, length)
    return time.process_time() - started_s


@pytest.mark.parametrize("unit", UNITS)
def test_a_hostile_text_of_twice_the_length_takes_about_twice_the_time(unit: str) -> None:
    assert not superlinear(partial(cpu_s, unit), 20_000)
