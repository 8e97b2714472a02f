"""Chooses the reader of a recipients file by the suffix of its name and by its kind."""

from pathlib import Path

from producers.errors import InputInvalid
from producers.recipients.file import RecipientsFile
from producers.recipients.kind import Kind, kind_of
from producers.recipients.reader.archive import check_archive
from producers.recipients.reader.limits import ReaderLimits


def open_format(path: Path, *, hint: str, limits: ReaderLimits) -> RecipientsFile:
    """Open a file in this process; ``hint`` is the name of a probable column.

    Raises InputInvalid if the file is not of the format that its suffix names, cannot be read, or would unpack to more
    than the limits allow.
    """
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

            return ParquetFile(path, limits)
        case ".xlsx" | ".xlsm" | ".xlsb" | ".xls" | ".ods":
            if kind not in (Kind.XLSX, Kind.XLS, Kind.ODS):
                raise InputInvalid(f"{path}: is not a workbook, or is damaged: it is {kind.value}{_rename(path, kind)}")
            if kind is not Kind.XLS:
                check_archive(path, limits)
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
"""The suffix for files of each kind."""


def _misnamed(path: Path, kind: Kind) -> InputInvalid:
    return InputInvalid(f"{path}: is {kind.value}, in spite of its name{_rename(path, kind)}")


def _rename(path: Path, kind: Kind) -> str:
    return f"; rename it to {path.stem}{_SUFFIXES[kind]}" if kind in _SUFFIXES else ""
