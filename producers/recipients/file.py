"""The contract of a recipients file, whatever its format.

    file = open_recipients(Path("customers.csv"))
    file.heading.index("name")  # 1
    for chunk in file.chunks():
        for line, cells in zip(chunk.lines, chunk.rows):
            ...
        for broken in chunk.broken:
            ...

Memory holds one chunk at a time (Excel excepted: its format cannot be streamed).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from producers.recipients.heading import Heading

CHUNK_ROWS = 1000
"""Enough that the work done once per chunk weighs nothing, small enough to stay in the processor's cache."""


class Broken(NamedTuple):
    """A row that has not the shape of the heading."""

    line: int
    reason: str
    cells: Sequence[str]


class Chunk(NamedTuple):
    """Some consecutive rows; ``lines[i]`` is where ``rows[i]`` starts in the file, from 1, counting the heading."""

    lines: Sequence[int]
    rows: Sequence[Sequence[str]]
    """Every row has exactly the heading's columns."""
    broken: Sequence[Broken]


class RecipientsFile(Protocol):
    """A recipients file whose heading is read; its rows are read anew by each call of ``chunks``."""

    @property
    def heading(self) -> Heading:
        """Name the columns that hold text or numbers."""

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in the file's order, blank ones left out.

        Raises InputInvalid, with the line, where the file stops being of its format.
        """

    def fraction(self) -> float:
        """Say how much of the file ``chunks`` has read, from 0 to 1."""
