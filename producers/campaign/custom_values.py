"""A campaign's ``[custom]``: values of the provider's own placeholders, the same for all messages or from a column."""

from collections.abc import Iterator, Mapping, Sequence

from producers.errors import InputInvalid
from producers.recipients import Chunk, Heading
from producers.rows.refusals import Finding, Rule
from producers.rows.variables import Variable, VariableInvalid, has_placeholders
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.validation import custom_names, names_in_headers, needed_of_campaigns
from times_dispatch.provider.request.byte_template import HEADER_VALUE
from times_dispatch.settings.document import Document
from times_dispatch.settings.errors import closest

_NO_HEADER = "stands in a header, and must be one line of ASCII"

Columns = dict[str, list[str]]
"""Values by name without the ``$$``; entry *i* of each belongs to one message."""


class Custom:
    """The key-values of one campaign, for all providers that its messages may go through.

    Raises InputInvalid with every mistake: a name that none of them has, one that is missing, a value that no header
    takes.
    """

    def __init__(self, texts: Mapping[str, str], providers: Sequence[Provider], document: Document) -> None:
        self._texts = texts
        self._document = document
        self._in_headers = frozenset[str]().union(*map(names_in_headers, providers))
        mistakes = [*_unknown(texts, providers, document), *_missing(texts, providers, document)]
        for name, value in self.constants.items():
            if name in self._in_headers and not HEADER_VALUE.fullmatch(value):
                mistakes.append(document.mistake(("custom", name), _NO_HEADER))
        if mistakes:
            raise InputInvalid(*mistakes)

    @property
    def constants(self) -> dict[str, str]:
        """The values that are the same for all messages."""
        return {
            name: text.replace("{{", "{").replace("}}", "}")
            for name, text in self._texts.items()
            if not has_placeholders(text)
        }

    def bind(self, heading: Heading) -> "FromColumns":
        """Bind the others to the columns of a recipients file; raise InputInvalid with every mistake."""
        mistakes: list[str] = []
        bound: dict[str, Variable] = {}
        for name, text in self._texts.items():
            if has_placeholders(text):
                try:
                    bound[name] = Variable(text, heading)
                except VariableInvalid as invalid:
                    mistakes.append(self._document.mistake(("custom", name), str(invalid)))
        if mistakes:
            raise InputInvalid(*mistakes)
        return FromColumns(bound, in_headers=self._in_headers)


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
                    yield index, Finding(Rule.HEADER, f"custom.{name} {_NO_HEADER}", value)

    def values(self, chunk: Chunk, lines: Sequence[int]) -> Columns:
        """Return the values of those rows of a chunk that have these line numbers."""
        if not self._variables:
            return {}
        rows = dict(zip(chunk.lines, chunk.rows, strict=True))
        chosen = [rows[line] for line in lines]
        cells = {column: [row[column] for row in chosen] for column in self.columns}
        return {name: variable.compose(cells, len(chosen)) for name, variable in self._variables.items()}


def _unknown(texts: Mapping[str, str], providers: Sequence[Provider], document: Document) -> Iterator[str]:
    known = {name for provider in providers for name in custom_names(provider)}
    named = " or ".join(provider.nickname for provider in providers)
    for name in texts:
        if name not in known:
            reason = f"there is no $${name} in the payload of {named}{closest(name, known)}"
            yield document.mistake(("custom", name), reason)


def _missing(texts: Mapping[str, str], providers: Sequence[Provider], document: Document) -> Iterator[str]:
    for provider in providers:
        for name in needed_of_campaigns(provider):
            if name not in texts:
                reason = f'{name} is missing: provider {provider.nickname} needs {name} = "…", or "{{column}}"'
                yield document.mistake(("custom",), reason)
