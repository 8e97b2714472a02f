"""The rejects file: refused rows with the reason, advice and their cells, to be corrected and submitted again."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from producers.atomic_file import AtomicFile
from producers.errors import InputInvalid
from producers.recipients.guarded_cells import REJECTS_COLUMNS, guard_all, is_rejects
from producers.rows.numbers import normalise_numbers
from producers.rows.refusals import RefusedRow, duplicate

EARLIER_REFUSAL: Final = (REJECTS_COLUMNS.index("reason"), REJECTS_COLUMNS.index("refused value"))
"""The columns of a rejects file that tell why an earlier run refused a row."""


def earlier_duplicates(reasons: Sequence[str], values: Sequence[str], to: Sequence[str], region: str) -> list[int]:
    """Return the indexes of rows that an earlier run refused as duplicates, and whose numbers were not changed since.

    The good row with the same number may have got its message, and is missing in the rejects file.

    Args:
        reasons: why the earlier run refused the rows.
        values: the numbers of the rows in the earlier run.
        to: the present numbers of the rows, normalised.
        region: the country of numbers without a country code, as two letters.
    """
    marked = [index for index, reason in enumerate(reasons) if reason == duplicate("").message]
    numbers, unreadable = normalise_numbers([values[index] for index in marked], region)
    return [index for at, index in enumerate(marked) if at in unreadable or numbers[at] == to[index]]


def default_path(recipients: Path) -> Path:
    """Return ``customers.rejects.csv`` for ``customers.csv``, ``customers.xlsx.rejects.csv`` for ``customers.xlsx``."""
    name = recipients.stem if recipients.suffix.lower() == ".csv" else recipients.name
    return recipients.with_name(f"{name}.rejects.csv")


class RejectsFile:
    """Writes refused rows to a temporary file, which ``keep`` moves to its final path and ``discard`` removes.

    The file is CSV in UTF-8 with a byte order mark, by which spreadsheets recognise UTF-8. Only its owner can read the
    file, because it contains rows of the recipients file. Cells that a spreadsheet would run as formulas have a guard,
    which the reader removes. If a rejects file is submitted, its rejects file has new values in the added columns.

    Args:
        path: the final path.
        columns: the names in the heading of the recipients file.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.rows = 0
        """How many rows were written."""
        self._own_columns = len(REJECTS_COLUMNS) if is_rejects(columns) else 0
        self._columns = columns[self._own_columns :]
        self._file: AtomicFile | None = None

    def write(self, refused: Sequence[RefusedRow]) -> None:
        """Add refused rows; raise InputInvalid if the file cannot be written."""
        if not refused:
            return
        try:
            if self._file is None:
                self._file = self._create()
            csv.writer(self._file.file).writerows(map(self._row, refused))
        except OSError as error:
            raise self._cannot_write(error) from None
        self.rows += len(refused)

    def keep(self) -> Path | None:
        """Move the file to its final path and return the path; if no row was written, return None.

        Raises InputInvalid if the file cannot be written.
        """
        if self._file is None:
            return None
        try:
            self._file.keep()
        except OSError as error:
            raise self._cannot_write(error) from None
        self._file = None
        return self.path

    def discard(self) -> None:
        """Remove the temporary file, unless ``keep`` has moved it."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    def _row(self, refused: RefusedRow) -> Sequence[object]:
        reason, message, value = refused.finding
        return guard_all((refused.line, message, value, reason.advice, *refused.cells[self._own_columns :]))

    def _create(self) -> AtomicFile:
        created = AtomicFile(self.path, encoding="utf-8-sig")
        csv.writer(created.file).writerow(guard_all((*REJECTS_COLUMNS, *self._columns)))
        return created

    def _cannot_write(self, error: OSError) -> InputInvalid:
        reason = (error.strerror or "unknown reason").lower()
        return InputInvalid(f"{self.path}: cannot be written: {reason}; choose another path with --rejects PATH")
