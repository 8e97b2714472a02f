"""Writes Parquet files, compressed with zstd, from columns of rows; a file may be encrypted as a whole.

An encrypted file has Parquet's own modular encryption (AES-GCM). Each page holds its position in the file, and the
footer holds the number of rows. So a page that is changed, moved or missing is noticed, and so is a missing end.
"""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.parquet.encryption import create_decryption_properties, create_encryption_properties

MAX_FOOTER_BYTES: Final = 64_000_000
"""The footer has about a hundred bytes for each column of each row group: megabytes for ten million messages."""
_END: Final = struct.Struct("<I4s")
"""The number of bytes at the end of a file that hold the length of the footer, and a mark."""
_ENCRYPTED: Final = b"PARE"


class ParquetRows:
    """Writes a Parquet file."""

    def __init__(
        self,
        file: Path | IO[bytes],
        schema: Sequence[tuple[str, Any]],
        *,
        rows_at_once: int,
        data_key: bytes = b"",
        file_name: str = "",
    ) -> None:
        """Begin a file; raise OSError if it cannot be written.

        Args:
            file: the path, which may exist already, or an open file, which stays open.
            schema: the name and the type of each column, a type of pyarrow.
            rows_at_once: the number of rows in one row group, which are in memory at the same time.
            data_key: encrypts the file, 32 bytes; empty: the file is not encrypted.
            file_name: a name that is authenticated with an encrypted file, so that no other file can replace the file.
        """
        self._schema = pa.schema(list(schema))
        encryption = _encryption(data_key, file_name) if data_key else None
        self._writer = pq.ParquetWriter(
            file, self._schema, compression="zstd", compression_level=3, encryption_properties=encryption
        )
        self._rows_at_once = rows_at_once
        self._batches: list[Any] = []
        self._rows = 0

    def write(self, group: Sequence[Sequence[Any]]) -> None:
        """Write rows, given as columns in the order of the schema."""
        columns = [pa.array(values, field.type) for values, field in zip(group, self._schema, strict=True)]
        batch = pa.record_batch(columns, schema=self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= self._rows_at_once:
            self._flush()

    def finish(self) -> None:
        """Write the last rows and the footer."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Close an unfinished file; nothing may be written afterwards."""
        self._batches = []
        self._writer.close()

    def _flush(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches))
            self._batches, self._rows = [], 0


def open_encrypted(file: IO[bytes], *, data_key: bytes, file_name: str) -> Any:
    """Return pyarrow's reader of an encrypted file; raise ``OSError`` or ``ValueError`` for a changed or cut file.

    pyarrow authenticates all data before decrypting it. Only the length of the footer is not authenticated: pyarrow
    would read gigabytes into memory before it noticed a wrong length, so the length is checked first.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size))
    end = file.read(_END.size)
    if len(end) < _END.size:
        raise ValueError("the file is shorter than its end")
    footer_bytes, mark = _END.unpack(end)
    if mark != _ENCRYPTED or footer_bytes > MAX_FOOTER_BYTES:
        raise ValueError("the file is not encrypted, or its footer is too long")
    file.seek(0)
    decryption = create_decryption_properties(data_key, aad_prefix=file_name.encode())
    return pq.ParquetFile(file, decryption_properties=decryption)


def _encryption(data_key: bytes, file_name: str) -> Any:
    return create_encryption_properties(data_key, aad_prefix=file_name.encode(), store_aad_prefix=False)
