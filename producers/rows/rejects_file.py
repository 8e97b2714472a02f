"""The rejects file: refused rows with their reason, what to do and their cells, to be mended and submitted again."""

import csv
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from producers.errors import InputInvalid
from producers.rows.refusals import RefusedRow

_OWN_COLUMNS = ("line", "reason", "refused value", "what to do")


def default_path(recipients: Path) -> Path:
    """Return ``customers.rejects.csv`` for ``customers.csv`` or ``customers.parquet``."""
    return recipients.with_name(f"{recipients.stem}.rejects.csv")


class Rejects:
    """Writes a rejects file beside its final place, where it appears whole with ``keep`` or not at all.

    It is CSV in UTF-8 with a byte order mark, by which spreadsheets know it, and readable by its owner only: it holds
    what the recipients file holds. A rejects file that is submitted in its turn loses its old reasons.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.rows = 0
        self._cut = len(_OWN_COLUMNS) if tuple(columns[: len(_OWN_COLUMNS)]) == _OWN_COLUMNS else 0
        self._columns = columns[self._cut :]
        self._file: TextIO | None = None

    def write(self, refused: Sequence[RefusedRow]) -> None:
        """Add refused rows; raise InputInvalid if the file cannot be written."""
        if not refused:
            return
        try:
            if self._file is None:
                self._file = self._begun()
            csv.writer(self._file).writerows(map(self._row, refused))
        except OSError as error:
            raise self._unwritable(error) from None
        self.rows += len(refused)

    def keep(self) -> Path | None:
        """Put the file in its place, if there is a row in it; return where it is."""
        if self._file is None:
            return None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self.path)
        except OSError as error:
            raise self._unwritable(error) from None
        self._file = None
        return self.path

    def discard(self) -> None:
        """Remove what was written and not kept."""
        if self._file is not None:
            self._file.close()
            self._temporary.unlink(missing_ok=True)
            self._file = None

    def _row(self, refused: RefusedRow) -> Sequence[object]:
        finding = refused.finding
        return (refused.line, finding.reason, finding.value, finding.rule.value, *refused.cells[self._cut :])

    def _begun(self) -> TextIO:
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        self._temporary = Path(name)
        file = os.fdopen(handle, "w", encoding="utf-8-sig", newline="")
        csv.writer(file).writerow((*_OWN_COLUMNS, *self._columns))
        return file

    def _unwritable(self, error: OSError) -> InputInvalid:
        reason = (error.strerror or "unknown reason").lower()
        return InputInvalid(f"{self.path}: cannot be written: {reason}; --rejects PATH puts it elsewhere")
