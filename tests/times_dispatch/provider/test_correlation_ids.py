import hashlib
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.provider.correlation_ids import (
    DIGITS,
    LAST_ATTEMPT,
    LAST_INDEX,
    CorrelationIds,
    MessageRef,
    new_campaign_id,
)

KEY = b"sixteen bytes or more of a secret"
OURS = CorrelationIds(KEY)

campaigns = st.text(DIGITS, min_size=8, max_size=8)
indexes = st.integers(0, LAST_INDEX)
attempts = st.integers(0, LAST_ATTEMPT)


@given(campaigns, indexes, attempts)
def test_an_id_has_32_characters_and_reads_back_as_what_it_was_made_from(
    campaign: str, index: int, attempt: int
) -> None:
    made = OURS.make(campaign, index, attempt)
    assert re.fullmatch("[0-9a-z]{32}", made)
    assert OURS.parse(made) == MessageRef(campaign, index, attempt)


@given(campaigns, indexes, attempts, st.integers(0, 31), st.sampled_from(DIGITS))
def test_an_id_with_one_character_changed_is_not_ours(
    campaign: str, index: int, attempt: int, index_in_id: int, other: str
) -> None:
    made = OURS.make(campaign, index, attempt)
    forged = made[:index_in_id] + other + made[index_in_id + 1 :]
    assert OURS.parse(forged) is None or forged == made


@given(st.text(max_size=40))
def test_other_texts_are_not_ours_and_break_nothing(meta: str) -> None:
    assert OURS.parse(meta) is None


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.title,
        lambda made: made + "\n",
        lambda made: f" \t{made} ",
        lambda made: f"\u00a0{made}\u200b",
        lambda made: f'"{made}"',
        lambda made: "{" + made.upper() + "}",
        lambda made: f"{made[:8]}-{made[8:16]}-{made[16:]}",
    ],
)
def test_an_id_is_ours_in_other_case_and_with_blanks(change: Callable[[str], str]) -> None:
    assert OURS.parse(change(OURS.make("abcdefgh", 7))) == MessageRef("abcdefgh", 7, 0)


@pytest.mark.parametrize("change", [lambda made: made[:-1], lambda made: made + "0", lambda made: made + " " * 200])
def test_a_cut_or_longer_id_is_not_ours(change: Callable[[str], str]) -> None:
    assert OURS.parse(change(OURS.make("abcdefgh", 7))) is None


def test_an_id_made_under_another_key_is_not_ours() -> None:
    assert OURS.parse(CorrelationIds(KEY[::-1]).make("abcdefgh", 7)) is None


def test_the_fields_stand_where_the_format_says() -> None:
    made = OURS.make("0a1b2c3d", 36**3 + 35, 37)
    assert made[:16] == "0a1b2c3d" + "00100z" + "11"


def test_the_tag_is_a_keyed_digest_of_the_first_half() -> None:
    made = OURS.make("abcdefgh", 123456, 2)
    digest = hashlib.blake2b(made[:16].encode(), key=KEY, digest_size=16).digest()
    assert made[16:] == "".join(DIGITS[byte % 36] for byte in digest)


def test_the_same_message_always_gets_the_same_id_also_in_another_process() -> None:
    assert OURS.make("abcdefgh", 5, 1) == CorrelationIds(KEY).make("abcdefgh", 5, 1)


@pytest.mark.parametrize(
    ("campaign", "index", "attempt"),
    [
        ("abcdefg", 0, 0),
        ("abcdefghi", 0, 0),
        ("abcdefgH", 0, 0),
        ("abcdefg\n", 0, 0),
        ("abcdefgh", -1, 0),
        ("abcdefgh", LAST_INDEX + 1, 0),
        ("abcdefgh", 0, -1),
        ("abcdefgh", 0, LAST_ATTEMPT + 1),
    ],
)
def test_a_value_that_does_not_fit_into_an_id_is_refused(campaign: str, index: int, attempt: int) -> None:
    with pytest.raises(ValueError, match="no correlation id"):
        OURS.make(campaign, index, attempt)


@pytest.mark.parametrize(("length", "fits"), [(0, False), (15, False), (16, True), (64, True), (65, False)])
def test_a_key_has_16_to_64_bytes(length: int, fits: bool) -> None:
    if fits:
        assert CorrelationIds(b"k" * length).make("abcdefgh", 0)
    else:
        with pytest.raises(ValueError, match="16 to 64 bytes"):
            CorrelationIds(b"k" * length)


def test_campaign_ids_fit_into_correlation_ids_and_differ() -> None:
    drawn = {new_campaign_id() for _ in range(200)}
    assert len(drawn) == 200
    assert all(OURS.parse(OURS.make(campaign, 0)) == MessageRef(campaign, 0, 0) for campaign in drawn)


OLD_KEY = b"the key of before, long enough"


def test_ids_of_the_old_key_are_read_and_new_ones_are_made_under_the_key() -> None:
    both = CorrelationIds(KEY, OLD_KEY)
    assert both.make("abcdefgh", 7) == OURS.make("abcdefgh", 7)
    assert both.parse(both.make("abcdefgh", 7)) == MessageRef("abcdefgh", 7, 0)
    assert both.parse(CorrelationIds(OLD_KEY).make("abcdefgh", 8, 1)) == MessageRef("abcdefgh", 8, 1)
    assert both.parse(CorrelationIds(OLD_KEY[::-1]).make("abcdefgh", 8, 1)) is None


def test_without_an_old_key_an_id_made_under_an_empty_key_is_not_ours() -> None:
    named = b"abcdefgh" + b"0" * 8
    digest = hashlib.blake2b(named, digest_size=16).digest()
    assert OURS.parse(named.decode() + "".join(DIGITS[byte % 36] for byte in digest)) is None


@pytest.mark.parametrize("length", [1, 15, 65])
def test_an_old_key_has_the_length_of_a_key(length: int) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        CorrelationIds(KEY, b"k" * length)
