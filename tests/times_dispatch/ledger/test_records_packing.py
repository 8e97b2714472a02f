from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.ledger import recipients
from times_dispatch.ledger.model import Recipients
from times_dispatch.ledger.records import holds_number, pack_recipients, unpack_phones, unpack_recipients

Value = TypeVar("Value")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def batches(draw: st.DrawFn) -> Recipients:
    count, slots = draw(st.integers(0, 12)), draw(st.integers(0, 3))

    def column(values: st.SearchStrategy[Value]) -> st.SearchStrategy[list[Value]]:
        return st.lists(values, min_size=count, max_size=count)

    return Recipients(
        first=draw(st.integers(0, 10_000_000)),
        to=draw(column(st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True))),
        lines=draw(column(st.integers(1, 10_000_000))),
        slots=[draw(column(TEXTS)) for _ in range(slots)],
        parts=draw(column(st.integers(1, 300))),
    )


@settings(max_examples=min(50, settings().max_examples))
@given(batches())
def test_packed_recipients_are_unpacked_unchanged(batch: Recipients) -> None:
    packed = pack_recipients(batch)
    assert unpack_recipients(packed) == batch
    assert unpack_phones(packed) == batch.to


@given(st.integers(0), st.integers(0, 255))
def test_damaged_bytes_are_an_error_and_never_other_recipients(index: int, value: int) -> None:
    packed = bytearray(pack_recipients(recipients(0, 20)))
    index %= len(packed)
    if packed[index] == value:
        return
    packed[index] = value
    # Not every bit of a compressed frame matters: bytes that still unpack must give the same batch.
    try:
        unpacked = unpack_recipients(bytes(packed))
    except ValueError:
        return
    assert unpacked == recipients(0, 20)


@pytest.mark.parametrize("packed", [b"", b"not packed", pack_recipients(recipients(0, 20))[:-1]])
def test_bytes_that_are_no_batch_are_an_error(packed: bytes) -> None:
    for unpack in (unpack_recipients, unpack_phones):
        with pytest.raises(ValueError, match="damaged"):
            unpack(packed)


def test_a_batch_costs_few_bytes_of_redis_per_message() -> None:
    assert len(pack_recipients(recipients(500_000, 500))) < 500 * 20


def test_packed_recipients_say_whether_a_number_may_be_among_them() -> None:
    packed = pack_recipients(recipients(0, 3))
    assert holds_number(packed, "919800000002")
    assert not holds_number(packed, "919800000003")
    assert holds_number(b"damaged", "919800000003")
