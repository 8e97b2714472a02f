"""The path of a recipients file of any format goes in; its rows come out in chunks, as texts.

``file`` has the contract; ``csv``, ``json_lines``, ``parquet`` and ``excel`` are its variants. ``formats`` chooses a
variant by the file's suffix and by the ``kind`` of the file. ``reader`` reads workbooks and Parquet in a child process.
``values``, ``cell_text`` and ``workbook.number_format`` turn values into texts, as a person sees the values in a sheet.
This package checks only the format: ``producers.rows.checker`` decides whether a row can be sent. Terms are explained
in docs/glossary.md.
"""

from pathlib import Path

from producers.errors import InputInvalid, no_file
from producers.recipients.file import BrokenRow, Chunk, RecipientsFile
from producers.recipients.formats import open_format
from producers.recipients.heading import Heading
from producers.recipients.kind import may_unpack
from producers.recipients.reader.limits import DEFAULT_LIMITS, ReaderLimits
from producers.recipients.reader.process import ReaderProcess

__all__ = ["BrokenRow", "Chunk", "Heading", "RecipientsFile", "open_recipients", "open_table"]


def open_recipients(path: Path, *, to: str = "to", limits: ReaderLimits = DEFAULT_LIMITS) -> RecipientsFile:
    """Open a recipients file and read its heading.

    Args:
        path: path of the file.
        to: the name of the column that holds the numbers.
        limits: the memory and time that reading a workbook or Parquet file may take.

    Raises:
        InputInvalid: with the file and line, if the file does not exist, is not of the format that its suffix names,
            has no row or no such column, or needs more memory or time than the limits allow.
    """
    file = open_table(path, hint=to, limits=limits)
    if file.heading.index(to) is None:
        other = file.heading.probable_number_column()
        advice = f'; if {other} has the numbers, write to = "{other}" in the campaign file' if other else ""
        raise InputInvalid(f"{path}:{file.heading.line}: no column named {to}; {file.heading.described()}{advice}")
    return file


def open_table(path: Path, *, hint: str, limits: ReaderLimits = DEFAULT_LIMITS) -> RecipientsFile:
    """Open a file of any of these formats, which need not have the column ``hint``.

    The name of this column helps to find the heading, and the delimiter of a CSV file. Raises InputInvalid as
    ``open_recipients`` does, except for a missing column.
    """
    if missing := no_file(path):
        raise InputInvalid(missing)
    if not path.stat().st_size:
        raise InputInvalid(f"{path}: is empty; its first line must name the columns, {hint} among them")
    if may_unpack(path):
        return ReaderProcess(path, hint=hint, limits=limits)
    return open_format(path, hint=hint, limits=limits)
