"""Recipients files: a path goes in, rows of text come out in chunks, whatever the format.

`file` holds the contract; `csv`, `json_lines`, `parquet` and `excel` are its variants, chosen by the file's suffix.
Nothing is judged here but the format: what a row is worth is decided by `producers.rows.checker`.
"""

from pathlib import Path

from producers.errors import InputInvalid
from producers.recipients.file import Broken, Chunk, RecipientsFile
from producers.recipients.heading import Heading

__all__ = ["Broken", "Chunk", "Heading", "RecipientsFile", "open_recipients", "open_table"]


def open_recipients(path: Path, *, to: str = "to") -> RecipientsFile:
    """Open a recipients file and read its heading; ``to`` names the column that must hold the number.

    Raises InputInvalid, with the file and line, if there is no such file, it is not of its suffix's format, it holds no
    row, or it has no such column.
    """
    file = open_table(path, hint=to)
    if file.heading.index(to) is None:
        raise InputInvalid(f"{path}:{file.heading.line}: no column named {to}; {file.heading.described()}")
    return file


def open_table(path: Path, *, hint: str) -> RecipientsFile:
    """Open a file of one of these formats for another purpose; ``hint`` names a column that it probably has.

    Raises InputInvalid as open_recipients does, but for the missing column.
    """
    if not path.is_file():
        raise InputInvalid(f"{path}: {'is not a file' if path.exists() else 'no such file'}")
    if not path.stat().st_size:
        raise InputInvalid(f"{path}: is empty; its first line must name the columns, {hint} among them")
    return _open(path, hint)


def _open(path: Path, to: str) -> RecipientsFile:
    # Each variant is imported when its suffix asks for it: polars alone costs 40 MB and 0.2 s.
    match path.suffix.lower():
        case ".csv" | ".tsv" | ".txt":
            from producers.recipients.csv import CsvFile  # noqa: PLC0415

            return CsvFile(path, to=to)
        case ".jsonl" | ".ndjson":
            from producers.recipients.json_lines import JsonLinesFile  # noqa: PLC0415

            return JsonLinesFile(path)
        case ".parquet":
            from producers.recipients.parquet import ParquetFile  # noqa: PLC0415

            return ParquetFile(path)
        case ".xlsx" | ".xlsm" | ".xlsb" | ".xls" | ".ods":
            from producers.recipients.excel import ExcelFile  # noqa: PLC0415

            return ExcelFile(path)
        case suffix:
            raise InputInvalid(
                f"{path}: cannot tell the format from {suffix or 'a name without a suffix'}; "
                "use .csv, .tsv, .jsonl, .parquet or .xlsx"
            )
