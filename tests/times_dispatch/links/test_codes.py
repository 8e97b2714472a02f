from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.links.codes import (
    ALPHABET,
    CODE_LENGTH,
    MAX_INDEX,
    MAX_LINKS,
    MAX_NUMBER,
    LinkCodeReader,
    LinkCodes,
    LinkRef,
    index_over_lanes,
    lane_and_index,
    placeholder,
)

KEY = b"a link key of enough bytes"
OTHER_KEY = b"another key of enough bytes"
CODES = LinkCodes(KEY, "TIMESM")

numbers = st.integers(0, MAX_NUMBER)
indexes = st.integers(0, MAX_INDEX)
link_numbers = st.integers(0, MAX_LINKS - 1)


@given(numbers, indexes, link_numbers)
def test_a_code_names_what_it_was_made_from(number: int, index: int, link: int) -> None:
    code = CODES.make(number, index, link)

    assert len(code) == CODE_LENGTH
    assert set(code) <= set(ALPHABET)
    assert CODES.parse(code) == LinkRef(number, index, link)


@pytest.mark.parametrize("ref", [(0, 0, 0), (MAX_NUMBER, MAX_INDEX, MAX_LINKS - 1)])
def test_the_smallest_and_the_greatest_values_fit(ref: tuple[int, int, int]) -> None:
    assert CODES.parse(CODES.make(*ref)) == ref


@pytest.mark.parametrize(
    "ref", [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (MAX_NUMBER + 1, 0, 0), (0, MAX_INDEX + 1, 0), (0, 0, MAX_LINKS)]
)
def test_values_outside_the_limits_get_no_code(ref: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no code for link"):
        CODES.make(*ref)


def test_the_codes_of_neighbouring_messages_share_no_more_than_chance() -> None:
    codes = [CODES.make(1, index, 0) for index in range(500)]

    for place in range(CODE_LENGTH):
        equal = sum(before[place] == after[place] for before, after in pairwise(codes))
        assert equal < 40  # 8 are expected


def test_no_code_with_one_changed_character_names_a_message_of_the_campaign() -> None:
    code = CODES.make(1, 7, 0)
    changed = [
        code[:place] + character + code[place + 1 :]
        for place in range(CODE_LENGTH)
        for character in ALPHABET
        if character != code[place]
    ]

    refs = [ref for text in changed if (ref := CODES.parse(text))]

    assert not [ref for ref in refs if ref.number <= 100 and ref.message < 10_000_000]
    assert len(refs) <= 3  # each of the 671 codes is valid with a chance of 1 in 370,000


def test_another_sender_and_another_key_have_other_codes() -> None:
    code = CODES.make(1, 7, 0)

    assert LinkCodes(KEY, "OTHERS").make(1, 7, 0) != code
    assert LinkCodes(KEY, "OTHERS").parse(code) is None
    assert LinkCodes(OTHER_KEY, "TIMESM").parse(code) is None


@given(st.text(max_size=30))
def test_no_text_of_another_form_is_read_as_a_code(text: str) -> None:
    ref = CODES.parse(text)
    assert ref is None or CODES.make(*ref) == text


def test_codes_of_the_old_key_are_read_beside_those_of_the_new_key() -> None:
    reader = LinkCodeReader([OTHER_KEY, KEY])

    assert (KEY, LinkRef(1, 7, 0)) in reader.candidates("TIMESM", CODES.make(1, 7, 0))
    assert (OTHER_KEY, LinkRef(1, 7, 0)) in reader.candidates("TIMESM", LinkCodes(OTHER_KEY, "TIMESM").make(1, 7, 0))


def test_a_key_must_have_16_to_64_bytes() -> None:
    for length in (16, 64):
        LinkCodes(b"k" * length, "TIMESM")
    for length in (15, 65):
        with pytest.raises(ValueError, match="16 to 64 bytes"):
            LinkCodes(b"k" * length, "TIMESM")


def test_a_placeholder_is_as_long_as_a_code() -> None:
    assert {len(placeholder(link)) for link in range(MAX_LINKS)} == {CODE_LENGTH}
    assert len({placeholder(link) for link in range(MAX_LINKS)}) == MAX_LINKS


@given(st.integers(1, 16), st.data())
def test_an_index_over_lanes_names_one_message_of_one_lane(lanes: int, data: st.DataObject) -> None:
    lane, index = data.draw(st.integers(0, lanes - 1)), data.draw(st.integers(0, MAX_INDEX // lanes - 1))

    over_lanes = index_over_lanes(index, lane=lane, lanes=lanes)

    assert over_lanes <= MAX_INDEX
    assert lane_and_index(over_lanes, lanes=lanes) == (lane, index)


@given(st.integers(2, 16), st.data())
def test_an_index_over_lanes_is_that_of_no_message_of_the_first_lane(lanes: int, data: st.DataObject) -> None:
    # A links process of a version without lanes would show a message with this index the target of another recipient.
    messages_of_lane = 10_000_000 // lanes
    lane, index = data.draw(st.integers(0, lanes - 1)), data.draw(st.integers(0, messages_of_lane - 1))

    assert index_over_lanes(index, lane=lane, lanes=lanes) >= 10_000_000


def test_without_lanes_an_index_stays() -> None:
    assert index_over_lanes(7, lane=0, lanes=1) == 7
    assert lane_and_index(7, lanes=1) == (0, 7)
