"""The key-values of a campaign that take their values from columns."""

from collections.abc import Iterator, Mapping, Sequence

from producers.recipients import Chunk
from producers.rows.refusals import Finding, RefusalReason
from producers.rows.variables import Variable
from times_dispatch.provider.request.byte_template import HEADER_VALUE

NO_HEADER = "stands in a header, and must be one line of ASCII"

Columns = dict[str, list[str]]
"""Values by name without the ``$$``; entry *i* of each belongs to one message."""


class FromColumns:
    """Key-values that take their values from columns."""

    def __init__(self, variables: Mapping[str, Variable], *, in_headers: frozenset[str] = frozenset()) -> None:
        self.columns = frozenset(column for variable in variables.values() for column in variable.columns)
        """Where the columns that they need stand in a row."""
        self._variables = variables
        self._in_headers = {name: variable for name, variable in variables.items() if name in in_headers}

    def findings(self, cells: Mapping[int, Sequence[str]], rows: int) -> Iterator[tuple[int, Finding]]:
        """Yield what is wrong with so many rows, by their place, from the cells of each column."""
        for name, variable in self._in_headers.items():
            for index, value in enumerate(variable.compose(cells, rows)):
                if not HEADER_VALUE.fullmatch(value):
                    yield index, Finding(RefusalReason.HEADER, f"custom.{name} {NO_HEADER}", value)

    def values(self, chunk: Chunk, lines: Sequence[int]) -> Columns:
        """Return the values of those rows of a chunk that have these line numbers."""
        if not self._variables:
            return {}
        rows = dict(zip(chunk.lines, chunk.rows, strict=True))
        chosen = [rows[line] for line in lines]
        cells = {column: [row[column] for row in chosen] for column in self.columns}
        return {name: variable.compose(cells, len(chosen)) for name, variable in self._variables.items()}
