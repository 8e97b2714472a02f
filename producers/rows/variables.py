"""Texts with ``{column}`` placeholders, composed for many rows at once."""

import re
from collections.abc import Mapping, Sequence

from producers.recipients.heading import Heading

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def has_placeholders(text: str) -> bool:
    """Say whether a text has a placeholder, or a brace that would be refused as a bad placeholder."""
    return any(token[0] not in ("{{", "}}") for token in _TOKEN.finditer(text))


class VariableInvalid(ValueError):
    """Refuse a variable; the message is a reason without the place of the variable, which the caller adds."""


class Variable:
    """A text with placeholders, such as ``Rs {amount}``; ``{{`` and ``}}`` stand for braces.

    Raises VariableInvalid if a brace is not closed, or if a placeholder names no column.
    """

    def __init__(self, text: str, heading: Heading) -> None:
        self.text = text
        literals, columns, start = [""], [], 0
        for token in _TOKEN.finditer(text):
            literals[-1] += text[start : token.start()]
            start = token.end()
            if token[1] is not None:
                columns.append(_column(token[1], heading))
                literals.append("")
            elif len(token[0]) == 2:
                literals[-1] += token[0][0]
            else:
                raise VariableInvalid(f"the {token[0]} at character {token.start() + 1} stands alone; write it twice")
        literals[-1] += text[start:]
        self.columns = tuple(columns)
        """Indexes of the columns that the placeholders name, in their order."""
        self._literals = literals
        self._format = "{}".join(literal.replace("{", "{{").replace("}", "}}") for literal in literals).format

    def compose(self, cells: Mapping[int, Sequence[str]], rows: int) -> list[str]:
        """Compose the text for each of ``rows`` rows, given their cells by the index of the column."""
        match self.columns:
            case ():
                return [self._literals[0]] * rows
            case (column,):
                before, after = self._literals
                if not after:
                    return [before + cell for cell in cells[column]] if before else list(cells[column])
                return [f"{before}{cell}{after}" for cell in cells[column]]
            case columns:
                return list(map(self._format, *(cells[column] for column in columns)))


def _column(name: str, heading: Heading) -> int:
    index = heading.index(name)
    if index is None:
        near = heading.nearest(name)
        hint = f"did you mean {{{near}}}?" if near else heading.described()
        raise VariableInvalid(f"{heading.path.name} has no column {name or 'without a name'}; {hint}")
    return index
