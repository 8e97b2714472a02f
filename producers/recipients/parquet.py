"""Recipients as Parquet, streamed with polars (the ``files`` extra)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from producers.errors import InputInvalid
from producers.recipients.file import CHUNK_ROWS, Chunk
from producers.recipients.heading import Heading

if TYPE_CHECKING:
    import polars


class ParquetFile:
    """A Parquet file. Columns that cannot become text (lists, structs, booleans, bytes) are left out.

    A date becomes 2026-11-08, a date and time 2026-11-08 10:30:00, and a float without a fraction a whole number.
    Lines are counted as in a spreadsheet: the first row is line 2.
    """

    def __init__(self, path: Path) -> None:
        try:
            import polars as pl  # noqa: PLC0415  # an extra, and slow to import
        except ImportError:
            raise InputInvalid(
                f"{path}: reading Parquet needs polars: pip install 'times-dispatch[files]', or save it as CSV"
            ) from None
        self._path = path
        self._rows_read = 0
        frame = pl.scan_parquet(path)
        try:
            schema = frame.collect_schema()
            self._rows = int(frame.select(pl.len()).collect().item())
        except pl.exceptions.PolarsError:
            raise InputInvalid(f"{path}: is not a Parquet file, or is damaged") from None
        texts = [as_text for name, dtype in schema.items() if (as_text := _as_text(name, dtype)) is not None]
        self._frame = frame.select(texts)
        self.heading = Heading(path, 1, self._frame.collect_schema().names())
        if not self._rows:
            raise InputInvalid(f"{path}: has no rows")

    def fraction(self) -> float:
        """Return how much of the file has been read, from 0 to 1."""
        return self._rows_read / self._rows

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows; null gives an empty cell."""
        import polars as pl  # noqa: PLC0415

        self._rows_read = 0
        try:
            for frame in self._frame.collect_batches(chunk_size=CHUNK_ROWS, maintain_order=True):
                first = self._rows_read + 2
                self._rows_read += frame.height
                yield Chunk(range(first, first + frame.height), frame.rows(), ())
        except pl.exceptions.PolarsError:
            raise InputInvalid(f"{self._path}: is damaged after row {self._rows_read}") from None


def _as_text(name: str, dtype: "polars.DataType") -> "polars.Expr | None":
    import polars as pl  # noqa: PLC0415

    column = pl.col(name)
    if dtype.is_float():
        whole = column.is_finite() & (column == column.floor()) & (column.abs() < 2**53)
        text = (
            pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        )
    elif dtype == pl.String or dtype.is_integer() or dtype.is_decimal() or isinstance(dtype, (pl.Categorical, pl.Enum)):
        text = column.cast(pl.String)
    elif isinstance(dtype, pl.Datetime):
        text = column.dt.to_string("%Y-%m-%d %H:%M:%S")
    elif dtype == pl.Date:
        text = column.dt.to_string("%Y-%m-%d")
    else:
        return None
    return text.fill_null("").alias(name)
