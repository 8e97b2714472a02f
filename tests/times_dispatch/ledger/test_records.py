import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.ledger.records import (
    RECORD_WIDTH,
    MessageRecord,
    pack_records,
    read_record_columns,
    read_records,
    transaction_bytes,
)
from times_dispatch.ledger.states import MessageState

RECORDS = st.lists(
    st.builds(
        MessageRecord,
        index=st.just(0),
        state=st.sampled_from(MessageState),
        attempt=st.integers(0, 255),
        code=st.integers(0, 65_535),
        sent_ms=st.integers(0, 2**36 - 1),
        reported_s=st.integers(0, 2**32 - 1),
        transaction_id=st.just("") | st.integers(1, 2**63 - 1).map(str),
        chain_index=st.integers(0, 9),
    ),
    min_size=1,
    max_size=8,
)


@given(RECORDS, st.integers(0, 65_535))
def test_records_are_read_as_the_scripts_write_them(records: list[MessageRecord], block: int) -> None:
    states = "".join(record.state for record in records).encode()
    fixed = b"".join(
        _packed(record.attempt, block, record.code, record.chain_index << 36 | record.sent_ms, record.reported_s)
        + int(record.transaction_id or 0).to_bytes(8, "big")
        for record in records
    )
    assert len(fixed) == RECORD_WIDTH * len(records)
    read_back = list(read_records(states + fixed, len(records)))
    assert [record.index for record in read_back] == list(range(len(records)))
    expected = [msgspec.structs.replace(record, index=index) for index, record in enumerate(records)]
    assert read_back == expected


@given(RECORDS)
def test_packed_records_are_read_again(records: list[MessageRecord]) -> None:
    numbered = [msgspec.structs.replace(record, index=index) for index, record in enumerate(records)]
    assert list(read_records(pack_records(numbered), len(numbered))) == numbered


def test_a_batch_that_was_never_begun_is_pending() -> None:
    assert list(read_records(b"", 2)) == [
        MessageRecord(index, MessageState.PENDING, 0, 0, 0, 0, "") for index in range(2)
    ]


NEVER_PUSHED = {MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED, MessageState.PENDING}


def test_a_message_whose_block_was_opened_and_which_was_not_sent_has_no_time_of_a_push() -> None:
    records = [
        MessageRecord(index, state, 0, 0, 500 + index, 0, "", chain_index=1) for index, state in enumerate(MessageState)
    ]
    columns = read_record_columns(pack_records(records), len(records))
    assert list(columns.pushed_ms) == [
        0 if state in NEVER_PUSHED else 500 + index for index, state in enumerate(MessageState)
    ]


def test_a_pending_second_attempt_has_the_time_of_the_first_and_sent_messages_their_own() -> None:
    records = [
        MessageRecord(0, MessageState.PENDING, 1, 0, 700, 0, ""),
        MessageRecord(1, MessageState.DELIVERED, 0, 0, 800, 1, ""),
        MessageRecord(2, MessageState.PENDING, 0, 0, 0, 0, ""),
    ]
    assert list(read_record_columns(pack_records(records), 3).pushed_ms) == [700, 800, 0]
    assert list(read_record_columns(pack_records(records[1:2]), 1).pushed_ms) == [800]


def test_records_of_another_count_are_an_error() -> None:
    with pytest.raises((ValueError, struct.error)):
        list(read_records(b"pp" + b"\0" * 2 * RECORD_WIDTH, 1))


@pytest.mark.parametrize("transaction_id", ["1", "205538399", str(2**63 - 1)])
def test_a_transaction_id_that_is_a_number_is_kept(transaction_id: str) -> None:
    assert int.from_bytes(transaction_bytes(transaction_id), "big") == int(transaction_id)


@pytest.mark.parametrize(
    "transaction_id", ["", "0", "-1", str(2**63), "9" * 5_000, "007", "a7f3", "1.5", " 7", "१२", "²"]
)
def test_a_transaction_id_that_is_no_plain_number_is_known_to_be_there_and_not_kept(transaction_id: str) -> None:
    packed = transaction_bytes(transaction_id)
    assert len(packed) == 8
    assert packed != bytes(8)
    fixed = _packed(0, 1, 200, 0, 0) + packed
    assert next(read_records(b"a" + fixed, 1)).transaction_id == ""


def _packed(attempt: int, block: int, code: int, sent: int, reported_s: int) -> bytes:
    """Return a record without its transaction, as the scripts pack the record.

    Args:
        attempt: the attempt of the message.
        block: the number of the block.
        code: the provider's code.
        sent: the provider's index in the chain (highest 4 bits), and the milliseconds from the campaign's creation to
            the push (36 bits).
        reported_s: the time in the delivery report, in epoch seconds; 0 if there was no report.
    """
    return struct.pack(">BHH", attempt, block, code) + sent.to_bytes(5, "big") + struct.pack(">I", reported_s)
