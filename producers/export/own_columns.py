"""The columns of the recipients file that the ledger does not keep, put beside the messages by their lines.

The ledger keeps only the line, the number and the values of each row. All other columns come from the recipients file,
if the person still has the file. The number of each row is compared with the ledger. So a file that was changed or
sorted since the submit is refused, instead of putting one person's data beside another person's message.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from producers.rows.numbers import normalise_numbers
from times_dispatch.ledger.model import Recipients


class OwnColumns:
    """Reads a recipients file together with the batches of its campaign, both from the first row to the last."""

    def __init__(self, path: Path, *, to: str = "to") -> None:
        """Open the file; raise InputInvalid if it cannot be read or has no column named *to*."""
        self._path = path
        self._file = open_recipients(path, to=to)
        self._to = self._file.heading.index(to) or 0
        self._kept = [index for index, name in enumerate(self._file.heading.names) if name and index != self._to]
        self.names = tuple(self._file.heading.names[index] for index in self._kept)
        """The names of the columns, without the column of the numbers."""
        self._rows = self._read()
        self._last_line = 0

    def of(self, recipients: Recipients) -> list[Sequence[str]]:
        """Return the columns of the next batch; raise InputInvalid if the file does not have the batch's rows."""
        if recipients.lines and recipients.lines[0] <= self._last_line:
            self._rows = self._read()  # each lane of a campaign begins with the first rows again
        self._last_line = recipients.lines[-1] if recipients.lines else self._last_line
        cells: list[Sequence[str]] = []
        for line in recipients.lines:
            row = next((row for at, row in self._rows if at == line), None)
            if row is None:
                raise self._mismatch(line)
            cells.append(row)
        numbers, _ = normalise_numbers([row[self._to] for row in cells])
        for line, number, expected in zip(recipients.lines, numbers, recipients.to, strict=True):
            if number != expected:
                raise self._mismatch(line)
        return [[row[index] for row in cells] for index in self._kept]

    def _read(self) -> Iterator[tuple[int, Sequence[str]]]:
        for chunk in self._file.chunks():
            yield from zip(chunk.lines, chunk.rows, strict=True)

    def _mismatch(self, line: int) -> InputInvalid:
        return InputInvalid(
            f"{self._path}:{line}: is not the row from which the message was made; give the unchanged file"
        )
