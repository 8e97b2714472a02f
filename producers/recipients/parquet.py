"""Recipients as Parquet, streamed with pyarrow (the ``files`` extra)."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, time, timedelta, timezone, tzinfo
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from producers.errors import InputInvalid
from producers.recipients.file import CHUNK_ROWS, Chunk
from producers.recipients.heading import Heading
from producers.recipients.parquet_footer import without_arrow_schema
from producers.recipients.reader.archive import check_parquet
from producers.recipients.reader.limits import DEFAULT_LIMITS, ReaderLimits
from producers.recipients.values import ValueDamaged, short_float_text, text_of

_OFFSET = re.compile(r"(?:UTC|GMT|Etc/UTC)?([+-])([0-9]{1,2}):?([0-9]{2})?")
"""A zone as pandas writes it for a fixed offset from UTC: +05:30, or UTC+05:30."""
_STRINGS = ("string", "large_string", "string_view")
_SIMPLE_TYPES = (
    "boolean",
    "integer",
    "floating",
    "decimal",
    "date",
    "time",
    "duration",
    "null",
    "binary",
    "large_binary",
    "fixed_size_binary",
)
_BEYOND_CALENDAR = "is a date beyond the calendar"
_UTC = "is a time in UTC, which readers in India would misread: write it in Asia/Kolkata, or as a text"
_DAY_US = 86_400_000_000
_UTC_TIME = "Time(isAdjustedToUTC=true"
_VALUE_EXTENSIONS = ("extension<arrow.uuid>", "extension<arrow.bool8>")
_TEXT_EXTENSIONS = ("arrow.json", "arrow.uuid", "arrow.bool8")
"""Extension types of Arrow whose values have a text; the numbers of other extension types have an unknown meaning."""

Texts = Callable[[Any], tuple[list[str], dict[int, str]]]
"""Turns an Arrow array into texts; returns the texts, with an empty text for each damaged value, and the reasons for
damaged values by index."""


class ParquetFile:
    """A Parquet file. Lists, structs and maps have no text, so a column of these types is refused when it is used.

    Only the columns that are used must be readable. The cells of other columns are read if possible. Lines are counted
    as in a spreadsheet: the first row is line 2.
    """

    def __init__(self, path: Path, limits: ReaderLimits = DEFAULT_LIMITS) -> None:
        try:
            import pyarrow as arrow  # noqa: PLC0415  # an extra, and slow to import
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError:
            raise InputInvalid(
                f"{path}: reading Parquet needs pyarrow: pip install 'times-dispatch[files]', or save it as CSV"
            ) from None
        self._path = path
        self._rows_read = 0
        unknown: Callable[[Any], bool] = lambda _: False  # noqa: E731
        self._errors = (arrow.ArrowException, OSError, ValueError, OverflowError)
        try:
            try:
                self._file = parquet.ParquetFile(path)
            except arrow.ArrowNotImplementedError:
                self._file = parquet.ParquetFile(path, metadata=without_arrow_schema(path))
                unknown = arrow.types.is_fixed_size_binary
            schema = self._file.schema_arrow
        except MemoryError:  # one error of pyarrow is also an ArrowException
            raise
        except self._errors:
            raise InputInvalid(f"{path}: is not a Parquet file, or is damaged") from None
        check_parquet(path, self._file.metadata, limits)
        self._rows = int(self._file.metadata.num_rows)
        if not self._rows:
            raise InputInvalid(f"{path}: has no rows")
        self.heading = Heading(path, 1, schema.names)
        self._types = [_extension_of(field) or field.type for field in schema]
        self._texts = [None if isinstance(kind, str) or unknown(kind) else _texts_of(kind) for kind in self._types]
        for index in self._utc_times():
            self._texts[index] = partial(_each, _utc_time_text)
        # A column is chosen by its name.
        self._readable = [
            index for index, texts in enumerate(self._texts) if texts and schema.names.count(schema.names[index]) == 1
        ]
        self._used = self._readable

    def _utc_times(self) -> list[int]:
        """Return the columns of times of day in UTC; old versions of Arrow also mark times without a zone as UTC."""
        if (self._file.metadata.created_by or "").startswith("parquet-cpp"):
            return []
        flat = {
            column.path: str(column.logical_type)
            for column in map(self._file.schema.column, range(len(self._file.schema)))
        }
        names = self._file.schema_arrow.names
        return [index for index, name in enumerate(names) if flat.get(name, "").startswith(_UTC_TIME)]

    def use(self, columns: Collection[int]) -> None:
        """Name the columns that must be readable; raise InputInvalid if a value in one of them has no text."""
        self._used = sorted(columns)
        for index in self._used:
            if self._texts[index] is None:
                raise InputInvalid(
                    f"{self._path}: column {self.heading.names[index]} is of the type {self._types[index]}, which has "
                    "no text: write it as texts or numbers"
                )

    @property
    def source(self) -> str:
        """The name of the file."""
        return self._path.name

    def left_out(self) -> list[str]:
        """Return nothing, because all rows are read."""
        return []

    def fraction(self) -> float:
        """Return how much of the file has been read, from 0 to 1."""
        return self._rows_read / self._rows

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows; null and NaN give an empty cell."""
        self._rows_read = 0
        others = self._other_columns()
        try:
            for batch in self._batches(self._used):
                cells: list[Sequence[str]] = [[""] * len(batch)] * len(self._types)
                damaged: dict[tuple[int, int], str] = {}
                for position, index in enumerate(self._used):
                    texts = self._texts[index]
                    if texts:
                        cells[index], reasons = texts(batch.column(position))
                        damaged |= {(row, index): reason for row, reason in reasons.items()}
                for index, values in next(others, {}).items():
                    if len(values) == len(batch):
                        cells[index] = values
                first = self._rows_read + 2
                self._rows_read += len(batch)
                filled: Sequence[int] = range(len(batch))
                rows = list(zip(*cells, strict=True))
                yield Chunk([first + row for row in filled], rows, (), damaged)
        except MemoryError:
            raise
        except self._errors:
            names = ", ".join(self.heading.names[index] for index in self._used)
            raise InputInvalid(f"{self._path}: is damaged after row {self._rows_read}, in one of {names}") from None

    def _batches(self, columns: Sequence[int]) -> Iterator[Any]:
        names = [self._file.schema_arrow.names[index] for index in columns]
        yield from self._file.iter_batches(CHUNK_ROWS, columns=names)

    def _other_columns(self) -> Iterator[dict[int, list[str]]]:
        """Yield the texts of the columns that are not used; end where a column cannot be read."""
        others = [index for index in self._readable if index not in self._used]
        if not others:
            return
        try:
            for batch in self._batches(others):
                columns = {}
                for position, index in enumerate(others):
                    if texts := self._texts[index]:
                        columns[index] = texts(batch.column(position))[0]
                yield columns
        except MemoryError:
            raise
        except self._errors:
            return


def _extension_of(field: Any) -> str:
    """Return the name of an extension type without a known text, such as ``pandas.period``; else an empty text."""
    name: str = ((field.metadata or {}).get(b"ARROW:extension:name") or b"").decode(errors="replace")
    return "" if name in _TEXT_EXTENSIONS else name


def _texts_of(arrow_type: Any) -> Texts | None:
    """Return the function that turns values of a type into texts; None for a type that has no text."""
    import pyarrow as arrow  # noqa: PLC0415
    from pyarrow import types  # noqa: PLC0415

    texts: Texts | None = None
    if types.is_dictionary(arrow_type):
        texts = _nested(arrow_type.value_type, lambda array: array.dictionary_decode())
    elif str(arrow_type) in _VALUE_EXTENSIONS:
        texts = partial(_each, lambda value: text_of(value if isinstance(value, bool) else str(value)))
    elif isinstance(arrow_type, arrow.BaseExtensionType):
        texts = _nested(arrow_type.storage_type, lambda array: array.storage)
    elif str(arrow_type) in _STRINGS:
        texts = _strings
    elif types.is_float16(arrow_type):
        texts = partial(_each, partial(short_float_text, form="e"))
    elif types.is_float32(arrow_type):
        texts = partial(_each, partial(short_float_text, form="f"))
    elif types.is_timestamp(arrow_type):
        zone = _zone(arrow_type.tz) if arrow_type.tz else None
        texts = partial(_moments, zone) if zone or not arrow_type.tz else None
    elif any(getattr(types, f"is_{name}")(arrow_type) for name in _SIMPLE_TYPES) or str(arrow_type) == "binary_view":
        texts = partial(_each, text_of)
    return texts


def _nested(arrow_type: Any, unpack: Callable[[Any], Any]) -> Texts | None:
    """Return the function that turns values of a type, within arrays of another type, into texts."""
    inner = _texts_of(arrow_type)
    if inner is None:
        return None
    texts = inner
    return lambda array: texts(unpack(array))


def _strings(array: Any) -> tuple[list[str], dict[int, str]]:
    values = array.to_pylist()
    return ([value or "" for value in values] if array.null_count else values), {}


def _each(text: Callable[[Any], str], array: Any) -> tuple[list[str], dict[int, str]]:
    return _texts_of_values(text, _native(array))


def _native(array: Any) -> list[Any]:
    """Return Python values. Python has no nanoseconds, so times of day and durations are cut to microseconds."""
    import pyarrow as arrow  # noqa: PLC0415

    if arrow.types.is_duration(array.type):
        array = array.cast(arrow.duration("us"), safe=False)
    elif str(array.type) == "time64[ns]":
        array = array.cast(arrow.time64("us"), safe=False)
    try:
        values: list[Any] = array.to_pylist()
    except (ValueError, OverflowError):  # one date beyond the calendar of Python
        values = [_value_of(scalar) for scalar in array]
    return values


def _value_of(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return _BeyondCalendar()


class _BeyondCalendar:
    """Stands for a date that Python's calendar does not have."""


def _utc_time_text(_: time) -> str:
    raise ValueDamaged(_UTC)


def _moments(zone: tzinfo | None, array: Any) -> tuple[list[str], dict[int, str]]:
    """Return moments as local times of the column's zone; a time in UTC counts as damaged."""
    import pyarrow as arrow  # noqa: PLC0415

    is_utc = zone is not None and all(
        zone.utcoffset(datetime(2026, month, 1)) == timedelta(0)  # noqa: DTZ001
        for month in (1, 7)
    )
    start = datetime(1970, 1, 1, tzinfo=timezone.utc if zone else None)  # noqa: UP017

    def text(microseconds: int | None) -> str:
        if microseconds is None:
            return ""
        try:
            moment = start + timedelta(microseconds=microseconds)
        except OverflowError:
            raise ValueDamaged(_BEYOND_CALENDAR) from None
        if is_utc and microseconds % _DAY_US:
            raise ValueDamaged(_UTC)
        return text_of(moment.astimezone(zone) if zone else moment)

    in_us = array.cast(arrow.timestamp("us", array.type.tz), safe=False).cast(arrow.int64())
    return _texts_of_values(text, in_us.to_pylist())


def _texts_of_values(text: Callable[[Any], str], values: Sequence[Any]) -> tuple[list[str], dict[int, str]]:
    texts, reasons = [], {}
    for row, value in enumerate(values):
        if value is None:
            texts.append("")
            continue
        try:
            if isinstance(value, _BeyondCalendar):
                raise ValueDamaged(_BEYOND_CALENDAR)
            texts.append(text(value))
        except ValueDamaged as reason:
            texts.append("")
            reasons[row] = str(reason)
    return texts, reasons


def _zone(name: str) -> tzinfo | None:
    """Return the zone of a name or of an offset; None if there is no such zone."""
    if offset := _OFFSET.fullmatch(name):
        sign = -1 if offset[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0)))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
