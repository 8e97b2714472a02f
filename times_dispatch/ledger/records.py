"""The binary formats of a batch in Redis: its recipients, packed once, and its message records, written by the scripts.

The recipients of a batch are a compressed msgpack document that no script reads. The message records are one state byte
per message, followed by one record of ``RECORD_WIDTH`` bytes per message; the scripts change them in place.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from operator import sub

import msgspec
import zstandard

from times_dispatch.ledger.model import Recipients
from times_dispatch.ledger.states import NEVER_SENT, MessageState

_COMPRESSION_LEVEL = 1
"""Higher levels cost three to five times as much time and save little, because most of the data is digits."""

RECORD_WIDTH = 22
"""Bytes of one message's record, without its state byte."""

_RECORD = struct.Struct(">BHHBII8s")
"""Attempt, block, code, ``sent`` (its highest byte, and its four other bytes), reported_s, transaction id."""

_NO_TRANSACTION = bytes(8)
_UNKNOWN_TRANSACTION = b"\xff" * 8
_UNKNOWN_TRANSACTION_NUMBER = int.from_bytes(_UNKNOWN_TRANSACTION, "big")
_MAX_TRANSACTION_DIGITS = len(str(2**63))
_STATES = {ord(state.value): state for state in MessageState}
_MAY_LACK_A_PUSH = (*NEVER_SENT, MessageState.PENDING)


class MessageRecord(msgspec.Struct, frozen=True):
    """The state and the record of one message in Redis."""

    index: int
    """Index of the message within its batch."""
    state: MessageState
    attempt: int
    """The attempt that the record is about."""
    code: int
    """The provider's status code, the failure code of a report, or one of our codes below 100; 0 if there is none."""
    sent_ms: int
    """Milliseconds from the campaign's creation to the moment when the message was sent; 0 if it was never sent."""
    reported_s: int
    """The time in the delivery report, in epoch seconds; 0 if there was no report."""
    transaction_id: str
    """The provider's id of the message; empty if there is no id, or if the id does not fit the record."""
    chain_index: int = 0
    """Index, in the campaign's chain, of the provider of the last push; 0 if the message was never pushed."""


class RecordColumns(msgspec.Struct, frozen=True, gc=False):
    """The records of a whole batch as columns; entry *i* of every column is about message *i* of the batch."""

    states: str
    """The state of each message, one letter each (``MessageState``)."""
    attempts: Sequence[int]
    codes: Sequence[int]
    sent_ms: Sequence[int]
    """Milliseconds from the campaign's creation to the opening of the last block; 0 for a message without a block."""
    reported_s: Sequence[int]
    """Epoch seconds; 0 without a report."""
    transaction_ids: Sequence[str]
    """Empty without an id, or if the id does not fit the record."""
    chain_indexes: Sequence[int] = ()
    """Index, in the campaign's chain, of the provider of the last push; 0 for a message that was never pushed."""

    @property
    def pushed_ms(self) -> Sequence[int]:
        """Return ``sent_ms`` for people: 0 for a message that no provider ever got.

        The record of a message whose block was opened, but which was not pushed, keeps the time of the block.
        """
        if not any(letter in self.states for letter in _MAY_LACK_A_PUSH):
            return self.sent_ms
        return [
            0 if state in NEVER_SENT or (state == MessageState.PENDING and not attempt) else sent_ms
            for state, attempt, sent_ms in zip(self.states, self.attempts, self.sent_ms, strict=True)
        ]


def pack_recipients(recipients: Recipients) -> bytes:
    """Return the recipients of a batch as compressed bytes."""
    # Differences between line numbers compress better than the numbers.
    lines = recipients.lines
    steps = list(map(sub, lines, chain([0], lines)))
    columns = msgspec.structs.replace(recipients, lines=steps)
    compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True)
    return compressor.compress(msgspec.msgpack.encode(columns))


def unpack_recipients(packed: bytes) -> Recipients:
    """Return the recipients that ``pack_recipients`` packed; raise ValueError if the bytes are damaged."""
    try:
        columns = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=Recipients)
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise ValueError("a batch of recipients cannot be unpacked: its bytes are damaged") from error
    return msgspec.structs.replace(columns, lines=list(accumulate(columns.lines)))


class _Phones(msgspec.Struct, frozen=True, array_like=True):
    """A batch of recipients of which only the phones are decoded."""

    first: msgspec.Raw
    to: list[str]


_PHONES = msgspec.msgpack.Decoder(_Phones)


def unpack_phones(packed: bytes) -> list[str]:
    """Return ``Recipients.to`` of a packed batch, in less time than all columns; raise ValueError if it is damaged."""
    try:
        return _PHONES.decode(zstandard.ZstdDecompressor().decompress(packed)).to
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise ValueError("a batch of recipients cannot be unpacked: its bytes are damaged") from error


def holds_number(packed: bytes, number: str) -> bool:
    """Say whether packed recipients may hold a number, several times as fast as unpacking the recipients.

    The result may be true for other recipients, because a value may have the same digits. It is true for damaged bytes.
    """
    try:
        return number.encode() in zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError:
        return True


class _LinkColumns(msgspec.Struct, frozen=True, array_like=True):
    """A batch of recipients of which only the last column is decoded."""

    first: msgspec.Raw
    to: msgspec.Raw
    lines: msgspec.Raw
    slots: msgspec.Raw
    parts: msgspec.Raw
    custom: msgspec.Raw = msgspec.Raw()
    link_values: msgspec.Raw = msgspec.Raw(b"\x90")


_LINK_COLUMNS = msgspec.msgpack.Decoder(_LinkColumns)
_LINK_VALUES = msgspec.msgpack.Decoder(list[list[str]])


def cut_link_values(packed: bytes) -> bytes:
    """Return the link values of a packed batch for ``read_link_values``; raise ValueError if the bytes are damaged.

    The result is a fifth as long as the unpacked batch, and is read in a tenth of the time.
    """
    try:
        content = zstandard.ZstdDecompressor().decompress(packed)
        return bytes(_LINK_COLUMNS.decode(content).link_values)
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise ValueError("a batch of recipients cannot be unpacked: its bytes are damaged") from error


def read_link_values(cut: bytes) -> list[list[str]]:
    """Return ``Recipients.link_values`` from the result of ``cut_link_values``; raise ValueError if it is damaged."""
    try:
        return _LINK_VALUES.decode(cut)
    except msgspec.DecodeError as error:
        raise ValueError("the link values of a batch are damaged") from error


def read_records(
    packed: bytes, count: int, *, without_records: MessageState = MessageState.PENDING
) -> Iterator[MessageRecord]:
    """Yield the records of a batch of *count* messages.

    A batch that no worker has taken yet has no bytes: all its messages have the state *without_records*.
    """
    if not packed:
        for index in range(count):
            yield MessageRecord(index, without_records, 0, 0, 0, 0, "")
        return
    records = _RECORD.iter_unpack(packed[count:])
    for index, (state, (attempt, _block, code, sent_high, sent_low, reported_s, transaction)) in enumerate(
        zip(packed[:count], records, strict=True)
    ):
        number = 0 if transaction == _UNKNOWN_TRANSACTION else int.from_bytes(transaction, "big")
        transaction_id = str(number) if number else ""
        chain_index, sent_ms = sent_high >> 4, (sent_high & 0xF) << 32 | sent_low
        yield MessageRecord(index, _STATES[state], attempt, code, sent_ms, reported_s, transaction_id, chain_index)


def read_record_columns(
    packed: bytes, count: int, *, without_records: MessageState = MessageState.PENDING
) -> RecordColumns:
    """Return the records of a batch of *count* messages as columns, several times as fast as ``read_records``.

    Raises ValueError if the bytes do not have the length of *count* records.
    """
    if not packed:
        zeros = [0] * count
        return RecordColumns(without_records.value * count, zeros, zeros, zeros, zeros, [""] * count, zeros)
    if len(packed) != count * (1 + RECORD_WIDTH):
        raise ValueError(f"{len(packed)} bytes for {count} records")
    attempts, _blocks, codes, sent_highs, sent_lows, reported_s, transactions = zip(
        *_RECORD.iter_unpack(packed[count:]), strict=True
    )
    return RecordColumns(
        packed[:count].decode("ascii"),
        attempts,
        codes,
        [(high & 0xF) << 32 | low for high, low in zip(sent_highs, sent_lows, strict=True)],
        reported_s,
        [_transaction_text(transaction) for transaction in transactions],
        [high >> 4 for high in sent_highs],
    )


def _transaction_text(transaction: bytes) -> str:
    if transaction in (_NO_TRANSACTION, _UNKNOWN_TRANSACTION):
        return ""
    return str(int.from_bytes(transaction, "big"))


def pack_records(records: Iterable[MessageRecord]) -> bytes:
    """Return the bytes of a whole batch for ``read_records``; every message counts as pushed in block 1.

    The scripts write the records of campaigns. This function is for programs that make a ledger with messages in a
    given state, such as the benchmarks.
    """
    states, rest = bytearray(), bytearray()
    for record in records:
        sent_high, sent_low = divmod(record.sent_ms, 1 << 32)
        states += record.state.value.encode()
        transaction = transaction_bytes(record.transaction_id) if record.transaction_id else bytes(8)
        sent_high |= record.chain_index << 4
        rest += _RECORD.pack(record.attempt, 1, record.code, sent_high, sent_low, record.reported_s, transaction)
    return bytes(states + rest)


def transaction_number(transaction_id: str) -> int:
    """Return a provider's transaction id as the number in a record.

    An id that is not a positive decimal number below 2**63 is not stored; the number then says only that an id exists.
    """
    is_number = transaction_id.isascii() and transaction_id.isdigit() and transaction_id[0] != "0"
    if is_number and len(transaction_id) <= _MAX_TRANSACTION_DIGITS and (number := int(transaction_id)) < 2**63:
        return number
    return _UNKNOWN_TRANSACTION_NUMBER


def transaction_bytes(transaction_id: str) -> bytes:
    """Return a provider's transaction id as the eight bytes of a record."""
    return transaction_number(transaction_id).to_bytes(8, "big")
