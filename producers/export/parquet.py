"""Exports as Parquet, compressed with zstd, with a schema that does not depend on the rows."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from producers.export.schema import Column, ColumnType
from times_dispatch.archive.parquet import ParquetRows

_ROWS_AT_ONCE = 50_000
"""Rows of one row group of the file: large enough to compress well, about twenty megabytes in memory."""
_TYPES = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.TIME: pa.timestamp("ms", tz="UTC"),
}


class ParquetWriter(ParquetRows):
    """Writes a Parquet file; times are timestamps in UTC."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        """Open the file, which may exist already; raise OSError if it cannot be written."""
        super().__init__(path, [(column.name, _TYPES[column.type]) for column in columns], rows_at_once=_ROWS_AT_ONCE)
