"""The values from columns of the recipients file that the targets of tracked links need."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from producers.rows.refusals import Finding, RefusalReason
from producers.rows.variables import Variable
from times_dispatch.links.targets import values_problem


class Target(NamedTuple):
    """The target of a tracked link."""

    name: str
    """The name of the link in the campaign file."""
    literals: Sequence[str]
    """The pieces of the address before, between and after the values."""
    variables: Sequence[int]
    """For each value, the index of its variable among all variables of the targets."""


class LinkColumns:
    """The values of a campaign's link targets that differ from row to row.

    Args:
        targets: the targets of the campaign's links.
        variables: the variables of all targets; each variable is one placeholder.
    """

    def __init__(self, targets: Sequence[Target] = (), variables: Sequence[Variable] = ()) -> None:
        self.columns = frozenset(column for variable in variables for column in variable.columns)
        """Indexes of the columns whose cells are needed."""
        self.required = frozenset[int]().union(*(variable.required for variable in variables))
        """Indexes of the columns of which every cell must hold a value."""
        self._targets = targets
        self._variables = variables

    def values(self, cells: Mapping[int, Sequence[str]], rows: int) -> list[list[str]]:
        """Return the values of many rows, one list for each variable, given their cells by the index of the column."""
        return [variable.compose(cells, rows) for variable in self._variables]

    def findings(self, values: Sequence[Sequence[str]]) -> Iterator[tuple[int, Finding]]:
        """Yield the index of each row with a value that cannot be part of a target, with the finding."""
        for target in self._targets:
            columns = [values[variable] for variable in target.variables]
            for index, of_row in enumerate(zip(*columns, strict=True)):
                if problem := values_problem(target.literals, of_row):
                    yield index, Finding(RefusalReason.LINK, f"links.{target.name} {problem}", of_row[0])
