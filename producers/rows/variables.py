"""Texts with ``{column}`` placeholders, composed for many rows at once."""

import re
from collections.abc import Mapping, Sequence

from producers.errors import InputInvalid
from producers.recipients.heading import Heading

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def has_placeholders(text: str) -> bool:
    """Return whether a text has a placeholder, or a brace that would be refused as a bad placeholder."""
    return any(token[0] not in ("{{", "}}") for token in _TOKEN.finditer(text))


class VariableInvalid(ValueError):
    """Refuse a variable; the message is the reason, and the caller adds the file, the line and the field."""


def split_placeholders(text: str) -> tuple[list[str], list[str]]:
    """Return the literals of a text, and the texts between the braces of its placeholders, in order.

    The result has one literal more than placeholders. Raises VariableInvalid if a brace is not closed.
    """
    literals, placeholders, start = [""], list[str](), 0
    for token in _TOKEN.finditer(text):
        literals[-1] += text[start : token.start()]
        start = token.end()
        if token[1] is not None:
            placeholders.append(token[1])
            literals.append("")
        elif len(token[0]) == 2:
            literals[-1] += token[0][0]
        else:
            raise VariableInvalid(f"the {token[0]} at character {token.start() + 1} stands alone; write it twice")
    literals[-1] += text[start:]
    return literals, placeholders


def replace_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Return a text with values in place of the placeholders that they name; the other placeholders stay."""
    return _TOKEN.sub(lambda token: values.get(token[1] or "", token[0]), text)


class Variable:
    """A text with placeholders, such as ``Rs {amount}``; ``{{`` and ``}}`` stand for braces.

    ``{name|there}`` gives a default for cells without a value. Raises VariableInvalid if a brace is not closed, or if a
    placeholder names no column.
    """

    def __init__(self, text: str, heading: Heading) -> None:
        self.text = text
        literals, placeholders = split_placeholders(text)
        bound = [_column(placeholder, heading) for placeholder in placeholders]
        defaults = [default for _, default in bound]
        self.columns = tuple(column for column, _ in bound)
        """Indexes of the columns that the placeholders name, in their order."""
        self.required = frozenset(
            column for column, default in zip(self.columns, defaults, strict=True) if default is None
        )
        """Indexes of the columns of which every cell must hold a value."""
        self._defaults = defaults
        self._literals = literals
        self._format = "{}".join(literal.replace("{", "{{").replace("}", "}}") for literal in literals).format

    def compose(self, cells: Mapping[int, Sequence[str]], rows: int) -> list[str]:
        """Compose the text for each of ``rows`` rows, given their cells by the index of the column.

        An empty cell stands for no value.
        """
        values = [
            cells[column] if default is None else [cell or default for cell in cells[column]]
            for column, default in zip(self.columns, self._defaults, strict=True)
        ]
        match values:
            case []:
                return [self._literals[0]] * rows
            case [column_values]:
                before, after = self._literals
                if not after:
                    return [before + value for value in column_values] if before else list(column_values)
                return [f"{before}{value}{after}" for value in column_values]
            case _:
                return list(map(self._format, *values))


def _column(placeholder: str, heading: Heading) -> tuple[int, str | None]:
    """Return the index of the column that a placeholder names, and the default, which is None if there is none."""
    default: str | None
    name, bar, default = placeholder.partition("|")
    if not bar or placeholder in heading.names:
        name, default = placeholder, None
    try:
        index = heading.index(name)
    except InputInvalid as ambiguous:
        raise VariableInvalid(str(ambiguous)) from None
    if index is None:
        near = heading.nearest(name)
        hint = f"did you mean {{{near}}}?" if near else heading.described()
        raise VariableInvalid(f"{heading.path.name} has no column {name or 'without a name'}; {hint}")
    return index, default
