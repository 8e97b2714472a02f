"""Opens a Parquet file whose Arrow schema has a type that pyarrow does not know, such as the Int128 of Polars."""

from pathlib import Path
from typing import Any, Final

_MAGIC: Final = b"PAR1"
_LENGTH_BYTES: Final = 4
_ARROW_SCHEMA: Final = b"ARROW:schema"
_HIDDEN: Final = b"HIDDEN.schema"[: len(_ARROW_SCHEMA)]


def without_arrow_schema(path: Path) -> Any:
    """Return the file's metadata without the schema of Arrow's types, so that only Parquet's types remain.

    Raises the errors of pyarrow, OSError, or ValueError if the file has no footer.
    """
    import pyarrow as arrow  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    with path.open("rb") as file:
        size = file.seek(0, 2)
        tail_bytes = _LENGTH_BYTES + len(_MAGIC)
        file.seek(max(size - tail_bytes, 0))
        tail = file.read()
        length = int.from_bytes(tail[:_LENGTH_BYTES], "little")
        if not tail.endswith(_MAGIC) or not 0 < length <= size - tail_bytes:
            raise ValueError(path)
        file.seek(size - tail_bytes - length)
        footer = file.read(length).replace(_ARROW_SCHEMA, _HIDDEN)
    return parquet.read_metadata(arrow.BufferReader(_MAGIC + footer + tail))
