"""Exports as Parquet, compressed with zstd, with a schema that does not depend on the rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from producers.export.rows import RowGroup
from producers.export.schema import Column, ColumnType

_ROWS_AT_ONCE = 50_000
"""Rows of one row group of the file: large enough to compress well, about twenty megabytes in memory."""
_TYPES = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.TIME: pa.timestamp("ms", tz="UTC"),
}


class ParquetWriter:
    """Writes a Parquet file; times are timestamps in UTC."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        """Open the file, which may exist already; raise OSError if it cannot be written."""
        self._schema = pa.schema([(column.name, _TYPES[column.type]) for column in columns])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", compression_level=3)
        self._batches: list[Any] = []
        self._rows = 0

    def write(self, group: RowGroup) -> None:
        columns = [pa.array(values, field.type) for values, field in zip(group, self._schema, strict=True)]
        batch = pa.record_batch(columns, schema=self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _ROWS_AT_ONCE:
            self._flush()

    def finish(self) -> None:
        """Write the last rows and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches))
            self._batches, self._rows = [], 0
