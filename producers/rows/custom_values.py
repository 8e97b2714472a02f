"""Custom values that come from columns: the provider's own placeholders, filled row by row."""

from collections.abc import Iterator, Mapping, Sequence

from producers.rows.refusals import Finding, RefusalReason
from producers.rows.variables import Variable
from times_dispatch.provider.request.byte_template import HEADER_VALUE

NOT_A_HEADER_VALUE = "is sent in an HTTP header, and must be one line of ASCII"


class CustomColumns:
    """The custom values of a campaign that differ from row to row.

    Args:
        variables: the texts that make the values, by the name of the placeholder without its ``$$``.
        in_headers: names of the placeholders whose values are sent in an HTTP header.
    """

    def __init__(self, variables: Mapping[str, Variable], *, in_headers: frozenset[str] = frozenset()) -> None:
        self.columns = frozenset(column for variable in variables.values() for column in variable.columns)
        """Indexes of the columns whose cells are needed."""
        self.required = frozenset[int]().union(*(variable.required for variable in variables.values()))
        """Indexes of the columns of which every cell must hold a value."""
        self._variables = variables
        self._in_headers = {name: variable for name, variable in variables.items() if name in in_headers}

    def findings(self, cells: Mapping[int, Sequence[str]], rows: int) -> Iterator[tuple[int, Finding]]:
        """Yield the index of each row with a value that cannot be sent in a header, with the finding."""
        for name, variable in self._in_headers.items():
            for index, value in enumerate(variable.compose(cells, rows)):
                if not HEADER_VALUE.fullmatch(value):
                    yield index, Finding(RefusalReason.HEADER, f"custom.{name} {NOT_A_HEADER_VALUE}", value)

    def values(self, cells: Mapping[int, Sequence[str]], rows: int) -> dict[str, list[str]]:
        """Return the values of many rows by name, given their cells by the index of the column."""
        return {name: variable.compose(cells, rows) for name, variable in self._variables.items()}
