"""Refuses a file that would unpack to too many bytes, by the sizes that the file states, before it is unpacked.

A file may state sizes that are too small. Then an archive is cut at the stated size, so that its checksum is wrong, and
a Parquet file reaches the limit of the child's memory.
"""

import zipfile
from pathlib import Path
from typing import Any

from producers.errors import InputInvalid
from producers.recipients.reader.limits import MEGABYTE, ReaderLimits

_MAX_PARTS = 10_000
"""The limit of parts of a workbook; each sheet and each picture is a part."""


def check_archive(path: Path, limits: ReaderLimits) -> None:
    """Refuse a ZIP archive that states too many parts or bytes; damaged archives are refused later, by their reader."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return
    if len(parts) > _MAX_PARTS:
        raise InputInvalid(f"{path}: has {len(parts):,} parts, more than any workbook; save it as .csv")
    check_unpacked(path, sum(part.file_size for part in parts), limits)


def check_parquet(path: Path, metadata: Any, limits: ReaderLimits) -> None:
    """Refuse a Parquet file that states too many rows or too many bytes.

    Args:
        path: path of the file.
        metadata: the file's footer, as pyarrow's FileMetaData.
        limits: the limits of the reader.
    """
    if metadata.num_rows > limits.max_rows:
        raise too_many_rows(path, limits)
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    unpacked = 0
    for group in groups:
        unpacked += sum(max(0, group.column(index).total_uncompressed_size) for index in range(group.num_columns))
    check_unpacked(path, unpacked, limits)


def check_unpacked(path: Path, size: int, limits: ReaderLimits) -> None:
    """Refuse a file that unpacks to more bytes than the limits allow."""
    if size > limits.max_unpacked_mb * MEGABYTE:
        raise InputInvalid(
            f"{path}: unpacks to {size // MEGABYTE:,} MB, and {limits.max_unpacked_mb:,} MB are allowed; "
            "save it as .csv, or raise max_unpacked_mb in [recipients]"
        )


def too_many_rows(path: Path, limits: ReaderLimits) -> InputInvalid:
    """Return the refusal of a file that has more rows than the limits allow."""
    return InputInvalid(
        f"{path}: has more than {limits.max_rows:,} rows; split it, or raise max_rows in [recipients] of dispatch.toml"
    )
