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

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from producers.recipients.heading import Heading

CHUNK_ROWS = 1000
"""Large enough to make the cost of each chunk negligible, small enough for the processor's cache."""


class BrokenRow(NamedTuple):
    """A row that has more or fewer cells than the heading, or cannot be read at all."""

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


class RecipientsFile(Protocol):
    """A recipients file whose heading has been read; each call of ``chunks`` reads the rows from the first."""

    @property
    def heading(self) -> Heading:
        """The columns that hold texts or numbers."""

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in the file's order, without the blank ones.

        Raises InputInvalid, with the line, where the rest of the file is not of the format.
        """

    def fraction(self) -> float:
        """Return how much of the file ``chunks`` has read, from 0 to 1."""
