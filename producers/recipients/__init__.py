"""The path of a recipients file goes in; its rows come out in chunks, as texts, whatever the format.

``file`` has the contract; ``csv``, ``json_lines``, ``parquet`` and ``excel`` are its variants, chosen by the file's
suffix and by the ``kind`` of the file. ``values``, ``cell_text`` and ``workbook.number_format`` make texts of values,
as a person sees them in a sheet. Only the format is checked here: ``producers.rows.checker`` decides whether a row can
be sent. Terms are explained in docs/glossary.md.
"""

from pathlib import Path

from producers.errors import InputInvalid
from producers.recipients.file import BrokenRow, Chunk, RecipientsFile
from producers.recipients.heading import Heading
from producers.recipients.kind import Kind, kind_of

__all__ = ["BrokenRow", "Chunk", "Heading", "RecipientsFile", "open_recipients", "open_table"]


def open_recipients(path: Path, *, to: str = "to") -> RecipientsFile:
    """Open a recipients file and read its heading; ``to`` is the name of the column that holds the numbers.

    Raises InputInvalid, with the file and line, if there is no such file, if it is not of the format that its suffix
    names, or if it has no row or no such column.
    """
    file = open_table(path, hint=to)
    if file.heading.index(to) is None:
        raise InputInvalid(f"{path}:{file.heading.line}: no column named {to}; {file.heading.described()}")
    return file


def open_table(path: Path, *, hint: str) -> RecipientsFile:
    """Open a file of one of these formats without demanding a column; ``hint`` is the name of a probable column.

    The hint helps to find the delimiter of a CSV file. Raises InputInvalid as open_recipients does, but not for a
    missing column.
    """
    if not path.is_file():
        raise InputInvalid(f"{path}: {'is not a file' if path.exists() else 'no such file'}")
    if not path.stat().st_size:
        raise InputInvalid(f"{path}: is empty; its first line must name the columns, {hint} among them")
    return _open(path, hint)


def _open(path: Path, hint: str) -> RecipientsFile:
    kind = kind_of(path)
    if kind in _NEVER_READ:
        raise InputInvalid(f"{path}: is {kind.value}; {_NEVER_READ[kind]}")
    # Each variant is imported only for its suffix: pyarrow alone costs 60 MB.
    match path.suffix.lower():
        case ".csv" | ".tsv" | ".txt":
            if not kind.is_text or kind is Kind.JSON:
                raise _misnamed(path, kind)
            from producers.recipients.csv import CsvFile  # noqa: PLC0415

            return CsvFile(path, hint=hint)
        case ".jsonl" | ".ndjson" | ".json":
            if not kind.is_text:
                raise _misnamed(path, kind)
            from producers.recipients.json_lines import JsonLinesFile  # noqa: PLC0415

            return JsonLinesFile(path)
        case ".parquet":
            if kind is not Kind.PARQUET:
                raise InputInvalid(f"{path}: is not a Parquet file: it is {kind.value}")
            from producers.recipients.parquet import ParquetFile  # noqa: PLC0415

            return ParquetFile(path)
        case ".xlsx" | ".xlsm" | ".xlsb" | ".xls" | ".ods":
            if kind not in (Kind.XLSX, Kind.XLS, Kind.ODS):
                raise InputInvalid(f"{path}: is not a workbook, or is damaged: it is {kind.value}{_rename(path, kind)}")
            from producers.recipients.excel import ExcelFile  # noqa: PLC0415

            return ExcelFile(path, kind, hint=hint)
        case suffix:
            raise InputInvalid(
                f"{path}: cannot tell the format from {suffix or 'a name without a suffix'}; "
                "use .csv, .tsv, .jsonl, .parquet or .xlsx"
            )


_NEVER_READ = {
    Kind.HTML: "open it in a spreadsheet program and save it as .xlsx or .csv",
    Kind.XML: "open it in a spreadsheet program and save it as .xlsx or .csv",
    Kind.PDF: "export the list as .xlsx or .csv",
    Kind.RTF: "export the list as .xlsx or .csv",
    Kind.MIME: "open it in a spreadsheet program and save it as .xlsx or .csv",
    Kind.XLSB: "save it as .xlsx",
    Kind.ENCRYPTED: "save it without the password",
    Kind.GZIP: "unpack it with gunzip",
    Kind.ZIP: "unpack it",
}
_SUFFIXES = {
    Kind.XLSX: ".xlsx",
    Kind.XLS: ".xls",
    Kind.ODS: ".ods",
    Kind.PARQUET: ".parquet",
    Kind.TSV: ".tsv",
    Kind.CSV: ".csv",
    Kind.JSON: ".jsonl",
}
"""The suffix by which a file of each kind is read."""


def _misnamed(path: Path, kind: Kind) -> InputInvalid:
    return InputInvalid(f"{path}: is {kind.value}, in spite of its name{_rename(path, kind)}")


def _rename(path: Path, kind: Kind) -> str:
    return f"; rename it to {path.stem}{_SUFFIXES[kind]}" if kind in _SUFFIXES else ""
