"""The contract of a recipients file of any format.

    file = open_recipients(Path("customers.csv"))
    file.heading.index("name")  # 1
    for chunk in file.chunks():
        for line, cells in zip(chunk.lines, chunk.rows):
            ...
        for broken in chunk.broken:
            ...

One chunk at a time is in memory, except with Excel, whose format cannot be streamed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from producers.recipients.heading import Heading

CHUNK_ROWS = 1000
"""Rows of a chunk: enough to make the cost of each chunk negligible, and few enough for the processor's cache."""


class BrokenRow(NamedTuple):
    """A row that has more cells than the heading, or cannot be read at all."""

    line: int
    reason: str
    cells: Sequence[str]


class Chunk(NamedTuple):
    """Consecutive rows of a file."""

    lines: Sequence[int]
    """The line on which each row starts; the first line of the file is 1."""
    rows: Sequence[Sequence[str]]
    """The cells of each row, exactly one for each column of the heading."""
    broken: Sequence[BrokenRow]
    damaged: Mapping[tuple[int, int], str] = MappingProxyType({})
    """Cells whose value cannot be text, by the index of the row in the chunk and the index of the column; the reason is
    written after the name of the column."""


class RecipientsFile(Protocol):
    """A recipients file whose heading has been read; each call of ``chunks`` reads the rows from the first."""

    @property
    def heading(self) -> Heading:
        """The columns of the file."""

    def use(self, columns: Collection[int]) -> None:
        """Name the columns whose cells are needed, by their indexes; without a call all columns are needed.

        In other columns, a value that cannot be read makes no row wrong, and may become an empty cell. Raises
        InputInvalid if the values of a needed column cannot become texts.
        """

    @property
    def source(self) -> str:
        """The source of the rows, in words: the file's name, with the sheet if the file is a workbook."""

    def left_out(self) -> list[str]:
        """Return notes about sheets and rows that are not read, and about hidden columns that are used.

        The notes are complete when all rows have been read.
        """

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in the file's order, without blank rows.

        Raises InputInvalid, with the line, if the rest of the file is not of the format.
        """

    def fraction(self) -> float:
        """Return how much of the file ``chunks`` has read, from 0 to 1."""
