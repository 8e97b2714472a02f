import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.hidden_numbers import ForgottenNumbersHidden, hide_numbers, names_number

NUMBER, ABROAD = "919876543210", "6581234567"
KEY = b"the key of forgotten numbers"


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("9876543210", "1000000000"),
        ("919876543210", "911000000000"),
        ("+919876543210", "+911000000000"),
        ("09876543210", "01000000000"),
        ("00919876543210", "00911000000000"),
        ("98765 43210", "10000 00000"),
        ("+91 98765-43210.", "+91 10000-00000."),
        ("987 654 3210", "100 000 0000"),
        ("98765-43210", "10000-00000"),
        ("9 8 7 6 5 4 3 2 1 0", "1 0 0 0 0 0 0 0 0 0"),
        ("(+91) 98765 43210", "(+91) 10000 00000"),
        ("+91(98765)43210", "+91(10000)00000"),
        ("0091 98765 43210", "0091 10000 00000"),
        ("9198765 43210", "9110000 00000"),
        ("098765.43210", "010000.00000"),
        ("98765\u00a043210", "10000\u00a000000"),
        ("98765\u201143210", "10000\u201100000"),
        ("12 98765 43210 13", "12 10000 00000 13"),
        ("98765 98765 43210", "98765 10000 00000"),
        ("text=98765+43210", "text=10000+00000"),
        ("%209876543210", "%201000000000"),
        ("%2B919876543210", "%2B911000000000"),
        ("%2B91%2098765%2D43210", "%2B91%2010000%2D00000"),
        ("\\u002b91\\u00a098765\\u00a043210", "\\u002b91\\u00a010000\\u00a000000"),
        ("100%9876543210", "100%1000000000"),
        ("198765 43210", "198765 43210"),
        ("987,654,3210", "987,654,3210"),
        ("https://x.in/?u=9876543210&v=1", "https://x.in/?u=1000000000&v=1"),
        ('"a\\n9876543210"', '"a\\n1000000000"'),
        ("1795319876543210", "1795319876543210"),  # part of a longer run of digits
        ("98765432109", "98765432109"),
        ("9876543211", "9876543211"),
        ("98765 432101", "98765 432101"),
        ("", ""),
    ],
)
def test_a_number_is_hidden_as_people_and_programs_write_it(written: str, hidden: str) -> None:
    assert hide_numbers(written.encode(), NUMBER.__eq__).decode() == hidden


def test_a_number_of_another_country_is_hidden_with_its_code_only() -> None:
    assert hide_numbers(b"+6581234567 006581234567 81234567", ABROAD.__eq__) == b"+1000000000 001000000000 81234567"


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("+65 8123 4567.", "+10 0000 0000."),
        ("0065 8123-4567", "0010 0000-0000"),
        ("%2B65%208123%204567", "%2B10%200000%200000"),
        ("65 8123 4567", "65 8123 4567"),
        ("+65 8123 45678", "+65 8123 45678"),
    ],
)
def test_a_number_of_another_country_in_parts_is_hidden_after_a_plus_or_zeros(written: str, hidden: str) -> None:
    assert hide_numbers(written.encode(), ABROAD.__eq__).decode() == hidden


def test_a_number_is_told_in_any_form() -> None:
    assert names_number(b"call 987 654 3210", NUMBER)
    assert not names_number(b"call 987 654 3211", NUMBER)


@given(
    st.recursive(st.integers() | st.floats(allow_nan=False) | st.text("0123456789 -+.()%u\\\xa0"), st.lists),
    st.booleans(),
)
def test_a_document_stays_a_document_of_the_same_length(document: object, hides: bool) -> None:
    written = json.dumps(document).encode()
    hidden = hide_numbers(written, lambda _: hides)
    assert len(hidden) == len(written)
    json.loads(hidden)


async def test_forgotten_numbers_are_hidden_from_the_moment_they_are_forgotten(redis: Redis) -> None:
    hidden = ForgottenNumbersHidden(redis, KEY)
    assert await hidden.hide([b"9876543210"]) == [b"9876543210"]
    await ForgottenNumbers(redis, KEY).add(NUMBER)
    assert await hidden.hide([b"9876543210", b"9876543211"]) == [b"1000000000", b"9876543211"]


async def test_without_the_key_nothing_is_hidden_and_nothing_is_held_up(redis: Redis) -> None:
    await ForgottenNumbers(redis, KEY).add(NUMBER)
    assert await ForgottenNumbersHidden(redis, b"").hide([b"9876543210"]) == [b"9876543210"]
