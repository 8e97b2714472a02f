"""A batch's message records as bytes (``lua/prelude.lua``): state bytes first, then fixed-width records."""

import struct
from collections.abc import Iterator
from itertools import accumulate

import msgspec
import zstandard

from times_dispatch.ledger.model import Recipients
from times_dispatch.ledger.states import MessageState

_LEVEL = 1
"""Higher ones cost three to five times as much, and find little more where most is digits."""


def pack(recipients: Recipients) -> bytes:
    """Pack a batch of recipients."""
    lines = recipients.lines
    steps = [line - before for line, before in zip(lines, [0, *lines], strict=False)]
    columns = msgspec.structs.replace(recipients, lines=steps)
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(msgspec.msgpack.encode(columns))


def unpack(packed: bytes) -> Recipients:
    """Unpack what ``pack`` made; raise ``ValueError`` if the bytes are damaged."""
    try:
        columns = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=Recipients)
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise ValueError("a batch of recipients cannot be unpacked: its bytes are damaged") from error
    return msgspec.structs.replace(columns, lines=list(accumulate(columns.lines)))


WIDTH = 21
_RECORD = struct.Struct(">BHHII8s")
_UNKNOWN_TRANSACTION = b"\xff" * 8
_LONGEST_TRANSACTION = len(str(2**63))
_STATES = {ord(state.value): state for state in MessageState}


class MessageRecord(msgspec.Struct, frozen=True):
    """Where one message stands."""

    index: int
    """Within its batch."""
    state: MessageState
    attempt: int
    code: int
    """The provider's status code, the reported failure code, or one of ours below 100; 0 if there is none."""
    let_go_ms: int
    """Milliseconds from the campaign's creation to the moment when the message was let go; 0 if it never was."""
    reported_s: int
    """Epoch seconds that the delivery report names; 0 if there is none."""
    transaction_id: str


def transaction_bytes(transaction_id: str) -> bytes:
    """Return the eight bytes that a record keeps of a transaction id; ids that are not numbers are not kept."""
    if len(transaction_id) <= _LONGEST_TRANSACTION and transaction_id.isdecimal():
        number = int(transaction_id)
        if 0 < number < 2**63 and str(number) == transaction_id:
            return number.to_bytes(8, "big")
    return _UNKNOWN_TRANSACTION


def read(packed: bytes, count: int) -> Iterator[MessageRecord]:
    """Read the records of a batch of ``count`` messages; one that was never begun has no bytes: all is pending."""
    if not packed:
        for index in range(count):
            yield MessageRecord(index, MessageState.PENDING, 0, 0, 0, 0, "")
        return
    records = _RECORD.iter_unpack(packed[count:])
    for index, (state, (attempt, _block, code, let_go, reported, transaction)) in enumerate(
        zip(packed[:count], records, strict=True)
    ):
        number = 0 if transaction == _UNKNOWN_TRANSACTION else int.from_bytes(transaction, "big")
        yield MessageRecord(index, _STATES[state], attempt, code, let_go, reported, str(number) if number else "")
