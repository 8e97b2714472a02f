"""The files of an export: one file, standard output, or a folder by day, each whole or not at all."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, TextIO
from zoneinfo import ZoneInfo

from producers.atomic_file import AtomicFile, open_atomic
from producers.errors import CommandFailed, InputInvalid
from producers.export.rows import CampaignRows
from producers.export.schema import Column
from producers.export.text_writers import CsvWriter, ExportWriter, JsonLinesWriter, VisibleLines
from times_dispatch.archive.catalog import Catalog
from times_dispatch.ledger.model import CampaignView
from times_dispatch.sms.rules.send_window import INDIA_ZONE

_INDIA = ZoneInfo(INDIA_ZONE)


STDOUT: Final = Path("-")
"""The path that stands for standard output."""


class ExportFormat(StrEnum):
    """The formats of an export; the value is the suffix of its file."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"
    XLSX = "xlsx"


TEXT_FORMATS = frozenset({ExportFormat.CSV, ExportFormat.JSON_LINES})
"""The formats that can be written to standard output."""


def submit_day(view: CampaignView) -> date:
    """Return the day in India on which a campaign was submitted."""
    return datetime.fromtimestamp(view.created_ms / 1000, _INDIA).date()


def path_by_day(folder: Path, view: CampaignView, form: ExportFormat) -> Path:
    """Return the path of a campaign's file: ``FOLDER/day=2026-11-26/diwali01.parquet``.

    The day of the submit never changes, so that a later export of the same campaign replaces the file, and no message
    is in two files.
    """
    return folder / f"day={submit_day(view)}" / f"{view.id}.{form}"


async def write_rows(catalog: Catalog, campaigns: Sequence[CampaignRows], writer: ExportWriter) -> int:
    """Write the rows of campaigns, one campaign after another; return the number of rows."""
    written = 0
    for rows in campaigns:
        async for group in rows.groups(catalog):
            writer.write(group)
            written += len(group[0])
    writer.finish()
    return written


def standard_output(form: ExportFormat, columns: Sequence[Column], write: Callable[[str], object]) -> ExportWriter:
    """Return a writer of a text format that shows control characters as escapes and keeps each row on one line."""
    lines = VisibleLines(write)
    if form is ExportFormat.CSV:
        return CsvWriter(lines, columns)
    return JsonLinesWriter(lambda raw: lines.write(raw.decode()), columns)


def name_of(path: Path) -> str:
    """Return the name of a file for people; the path ``-`` is standard output."""
    return "standard output" if path == STDOUT else str(path)


@contextlib.contextmanager
def open_csv(path: Path) -> Iterator[TextIO | VisibleLines]:
    """Open a CSV file that only its owner can read, whole or not at all; the path ``-`` is standard output.

    A file begins with a byte order mark, by which Excel recognises UTF-8; standard output does not.

    Raises CommandFailed if the file cannot be written, or if the path is a link or belongs to somebody else.
    """
    if path != STDOUT:
        with open_atomic(path, encoding="utf-8-sig") as file:
            yield file
        return
    try:
        yield VisibleLines(sys.stdout.write)
        sys.stdout.flush()
    except OSError as error:
        raise CommandFailed(f"standard output: {(error.strerror or 'unknown reason').lower()}") from None


@contextlib.contextmanager
def open_export(path: Path, form: ExportFormat, columns: Sequence[Column]) -> Iterator[ExportWriter]:
    """Open a file that only its owner can read; the file gets its path when the block ends without an error.

    Raises CommandFailed if the file cannot be written, or if the path is a link or belongs to somebody else.
    """
    try:
        atomic = AtomicFile(path, encoding="utf-8-sig" if form is ExportFormat.CSV else "utf-8")
        try:
            with _writer(atomic, form, columns) as writer:
                yield writer
            atomic.keep()
        finally:
            atomic.discard()
    except ImportError as error:
        raise InputInvalid(
            f"{path}: {form.value} needs the package {error.name}: pip install 'times-dispatch[files]'"
        ) from None
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {(error.strerror or 'unknown reason').lower()}") from None


@contextlib.contextmanager
def _writer(atomic: AtomicFile, form: ExportFormat, columns: Sequence[Column]) -> Iterator[ExportWriter]:
    if form is ExportFormat.CSV:
        yield CsvWriter(atomic.file, columns)
    elif form is ExportFormat.JSON_LINES:
        yield JsonLinesWriter(atomic.file.buffer.write, columns)
    elif form is ExportFormat.PARQUET:
        from producers.export.parquet import ParquetWriter  # noqa: PLC0415  # pyarrow costs 60 MB

        yield ParquetWriter(atomic.temporary, columns)
    else:
        from producers.export.excel import ExcelWriter  # noqa: PLC0415  # most exports do not need it

        with contextlib.closing(ExcelWriter(atomic.temporary, columns)) as writer:
            yield writer
