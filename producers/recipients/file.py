"""The contract of a recipients file, whatever its format.

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
"""Large enough to make the cost of each chunk negligible, small enough for the processor's cache."""


class BrokenRow(NamedTuple):
    """A row that has more cells than the heading, or cannot be read at all."""

    line: int
    reason: str
    cells: Sequence[str]


class Chunk(NamedTuple):
    """Consecutive rows of a file."""

    lines: Sequence[int]
    """The line on which each row starts, from 1, counting the heading."""
    rows: Sequence[Sequence[str]]
    """Every row has exactly the heading's columns."""
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
        """Name the columns whose cells are needed, by their indexes; without a call all columns are.

        A value that cannot be read in another column makes no row wrong, and may be an empty cell. Raises InputInvalid
        if a column cannot become text.
        """

    @property
    def source(self) -> str:
        """The source of the rows, in words: the file's name, and the sheet of a workbook."""

    def left_out(self) -> list[str]:
        """Say which sheets and rows of the file are not read; complete when the rows have been read."""

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in the file's order, without the blank ones.

        Raises InputInvalid, with the line, where the rest of the file is not of the format.
        """

    def fraction(self) -> float:
        """Return how much of the file ``chunks`` has read, from 0 to 1."""
