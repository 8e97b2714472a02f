"""The rows of an archived campaign: one row for each message, with all data that the ledger had about the message.

The columns are the columns of a batch (``BatchColumns``), so that every reader of batches can read an archive, and
three columns that stand beside the batches in Redis: whether the message was clicked, its attempts, its provider. Phone
numbers are integers: to find a number, a reader compares one column of eight bytes a message. A forgotten number is 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Final

import msgspec
import pyarrow as pa

from times_dispatch.archive.errors import ArchiveDamaged
from times_dispatch.archive.manifest import Manifest
from times_dispatch.archive.parquet import ParquetRows, open_encrypted
from times_dispatch.ledger.batch_columns import BatchColumns
from times_dispatch.ledger.model import Recipients
from times_dispatch.ledger.numbers.forgotten_numbers import FORGOTTEN
from times_dispatch.ledger.records import RecordColumns

ROWS_OF_GROUP: Final = 20_000
"""The number of rows that a reader has in memory, some megabytes."""
_NUMBERS: Final = ("number", "line", "parts", "code", "attempt", "chain_index", "sent_ms", "reported_s", "clicked")
_LOW_BITS: Final = 32
_LOW: Final = (1 << _LOW_BITS) - 1
_TEXTS: Final = ("state", "transaction_id", "attempts")


class ArchivedRows(msgspec.Struct, frozen=True, gc=False):
    """Some rows of an archive; entry *i* of every column belongs to message ``columns.recipients.first + i``."""

    columns: BatchColumns
    clicked: Sequence[int]
    """1 if the message was clicked, else 0."""
    attempts: Sequence[str]
    """The entries of the attempts of a message that was sent again (``CampaignKey.ATTEMPTS``), in hexadecimal."""

    def after(self, index: int) -> "ArchivedRows | None":
        """Return the rows of the messages from this index in the campaign on; None if there are none."""
        recipients, records = self.columns.recipients, self.columns.records
        cut = index - recipients.first
        if cut <= 0:
            return self
        if cut >= len(self.clicked):
            return None
        rest = msgspec.structs.replace(
            recipients,
            first=index,
            to=recipients.to[cut:],
            lines=recipients.lines[cut:],
            slots=[column[cut:] for column in recipients.slots],
            parts=recipients.parts[cut:],
            custom={name: column[cut:] for name, column in recipients.custom.items()},
            link_values=[column[cut:] for column in recipients.link_values],
        )
        return ArchivedRows(
            BatchColumns(rest, RecordColumns(*(values[cut:] for values in msgspec.structs.astuple(records)))),
            self.clicked[cut:],
            self.attempts[cut:],
        )


class RowSums(msgspec.Struct):
    """Sums over all rows, by which the rows that are read back are compared with the rows that were written."""

    rows: int = 0
    states: dict[str, int] = {}
    """The number of messages for each state and code, such as ``f:910``."""
    numbers: dict[str, int] = {}
    """The sum of each column of integers, and the length of each column of texts."""

    def add(self, other: "RowSums") -> None:
        """Add the sums over further rows."""
        self.rows += other.rows
        for mine, others in ((self.states, other.states), (self.numbers, other.numbers)):
            for name, amount in others.items():
                mine[name] = mine.get(name, 0) + amount


class RowWriter:
    """Writes the rows of one campaign into an encrypted file."""

    def __init__(self, file: IO[bytes], *, data_key: bytes, archive: str, first: Recipients | None) -> None:
        """Begin the file.

        Args:
            file: the open file, which stays open.
            data_key: encrypts the file.
            archive: the name of the archive, which is authenticated with the file.
            first: the first batch, which determines the columns; None if the campaign has no message.
        """
        self.slots = len(first.slots) if first else 0
        self.custom = sorted(first.custom) if first else []
        self.link_values = len(first.link_values) if first else 0
        self.sums = RowSums()
        self._names = _names(self.slots, self.custom, self.link_values)
        schema = [(name, pa.int64() if name in _NUMBERS else pa.string()) for name in self._names]
        self._rows = ParquetRows(file, schema, rows_at_once=ROWS_OF_GROUP, data_key=data_key, file_name=archive)

    def write(self, batch: BatchColumns, *, clicked: Sequence[int], attempts: Sequence[str]) -> None:
        """Write a batch, with the click flags and the attempts that Redis keeps beside the batch."""
        recipients, records = batch.recipients, batch.records
        columns: list[Sequence[Any]] = [
            [int(number) for number in recipients.to],
            recipients.lines,
            recipients.parts,
            records.codes,
            records.attempts,
            records.chain_indexes,
            records.sent_ms,
            records.reported_s,
            clicked,
            list(records.states),
            records.transaction_ids,
            attempts,
            *recipients.slots,
            *[recipients.custom[name] for name in self.custom],
            *recipients.link_values,
        ]
        self._rows.write(columns)
        self.sums.add(_sums(dict(zip(self._names, map(pa.array, columns), strict=True))))

    def finish(self) -> None:
        """Write the last rows and the end of the file."""
        self._rows.finish()

    def abandon(self) -> None:
        """Close the incomplete file, which nobody will read."""
        self._rows.abandon()


class RowReader:
    """Reads the rows of an archived campaign from an open file."""

    def __init__(self, file: IO[bytes], manifest: Manifest, *, data_key: bytes) -> None:
        """Open the file; raise ``ArchiveDamaged`` if the file was changed or cut, or belongs to another archive."""
        self._manifest = manifest
        self._names = _names(manifest.slots, manifest.custom, manifest.link_values)
        try:
            self._file = open_encrypted(file, data_key=data_key, file_name=manifest.campaign)
            rows = self._file.metadata.num_rows
        except (OSError, ValueError) as error:
            raise self._damaged("its rows cannot be decrypted") from error
        if rows != manifest.rows:
            raise self._damaged(f"it has {rows:,} rows, and its manifest says {manifest.rows:,}")

    def groups(self) -> Iterator[ArchivedRows]:
        """Yield all rows, group by group."""
        first = 0
        for number in range(self._file.metadata.num_row_groups):
            rows = self._rows(self._table(number, self._names), first)
            yield rows
            first += len(rows.clicked)

    def rows_with(self, number: str) -> Iterator[ArchivedRows]:
        """Yield each row that has a phone number, one row at a time."""
        first, wanted = 0, int(number)
        for group in range(self._file.metadata.num_row_groups):
            numbers = self._table(group, ["number"]).column("number").combine_chunks()
            values = memoryview(numbers.buffers()[1]).cast("q")[: len(numbers)]
            positions = [position for position, value in enumerate(values) if value == wanted]
            if positions:
                table = self._table(group, self._names)
                for position in positions:
                    yield self._rows(table.slice(position, 1), first + position)
            first += len(numbers)

    def number_at(self, index: int) -> str:
        """Return the phone number of the message with this index in the campaign; empty if there is no such message."""
        first = 0
        for group in range(self._file.metadata.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if first <= index < first + rows:
                number = self._table(group, ["number"]).column("number")[index - first].as_py()
                return str(number) if number else FORGOTTEN
            first += rows
        return ""

    def sums(self) -> RowSums:
        """Return the sums over all rows."""
        sums = RowSums()
        for group in range(self._file.metadata.num_row_groups):
            table = self._table(group, self._names)
            sums.add(_sums({name: table.column(name).combine_chunks() for name in self._names}))
        return sums

    def _table(self, group: int, names: Sequence[str]) -> Any:
        try:
            return self._file.read_row_group(group, columns=list(names), use_threads=False)
        except (OSError, ValueError) as error:
            raise self._damaged(f"its rows cannot be decrypted (group {group + 1})") from error

    def _rows(self, table: Any, first: int) -> ArchivedRows:
        values: Mapping[str, list[Any]] = {name: table.column(name).to_pylist() for name in self._names}
        manifest = self._manifest
        recipients = Recipients(
            first=first,
            to=[str(number) if number else FORGOTTEN for number in values["number"]],
            lines=values["line"],
            slots=[values[f"slot{slot}"] for slot in range(1, manifest.slots + 1)],
            parts=values["parts"],
            custom={name: values[f"custom_{name}"] for name in manifest.custom},
            link_values=[values[f"link_value{number}"] for number in range(1, manifest.link_values + 1)],
        )
        records = RecordColumns(
            states="".join(values["state"]),
            attempts=values["attempt"],
            codes=values["code"],
            sent_ms=values["sent_ms"],
            reported_s=values["reported_s"],
            transaction_ids=values["transaction_id"],
            chain_indexes=values["chain_index"],
        )
        return ArchivedRows(BatchColumns(recipients, records), values["clicked"], values["attempts"])

    def _damaged(self, reason: str) -> ArchiveDamaged:
        return ArchiveDamaged(f"archive {self._manifest.campaign}: {reason}")


def _names(slots: int, custom: Sequence[str], link_values: int) -> list[str]:
    return [
        *_NUMBERS,
        *_TEXTS,
        *(f"slot{slot}" for slot in range(1, slots + 1)),
        *(f"custom_{name}" for name in custom),
        *(f"link_value{number}" for number in range(1, link_values + 1)),
    ]


def _sums(columns: Mapping[str, Any]) -> RowSums:
    import pyarrow.compute as pc  # noqa: PLC0415  # costs a search for a number more than the search

    sums = RowSums(rows=len(columns["number"]))
    for name, values in columns.items():
        lengths = values if name in _NUMBERS else pc.utf8_length(values)
        # The sum is computed in two halves, because the sum of a group of phone numbers may need more than 64 bits.
        low, high = pc.bit_wise_and(lengths, _LOW), pc.shift_right(lengths, _LOW_BITS)
        sums.numbers[name] = (pc.sum(low).as_py() or 0) + ((pc.sum(high).as_py() or 0) << _LOW_BITS)
    coded = pa.table({"state": columns["state"], "code": columns["code"]}).group_by(["state", "code"])
    counted = coded.aggregate([([], "count_all")]).to_pylist()
    sums.states = {f"{row['state']}:{row['code']}": row["count_all"] for row in counted}
    return sums
