"""The values of a template's slots for many rows at once: from one variable for each slot, or from whole texts.

A campaign file has either ``variables``, one for each slot, or ``text``, the whole text with ``{column}`` placeholders.
``SlotsFromVariables`` and ``SlotsFromText`` are the sources for these two; ``SlotSource`` is their contract.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from producers.rows.refusals import Finding, RefusalReason
from producers.rows.variables import Variable
from times_dispatch.sms.templates import Slot, Template

Cells = Mapping[int, Sequence[str]]
"""The cells of some rows, by the index of their column."""

_CHECKED_BY_CHARACTER = frozenset({"var", "numeric", "number"})
"""Kinds of slots that check each character separately, so that many values can be checked as one text; an alphanumeric
slot also checks the first character."""

_CHARACTERS_SHOWN = 40
"""How many characters of a text are shown from the point where it differs from the registered text."""


class SlotSource(Protocol):
    """Makes the values of a template's slots from the cells of rows."""

    template: Template
    columns: frozenset[int]
    """Indexes of the columns whose cells are needed."""
    required: frozenset[int]
    """Indexes of the columns of which every cell must hold a value; for other columns, the variables have defaults."""
    names: Sequence[str]
    """The name of each slot's value in messages."""

    def values(self, cells: Cells, rows: int) -> tuple[list[list[str]], Mapping[int, Finding]]:
        """Make the values of many rows.

        Args:
            cells: the cells of the needed columns.
            rows: number of rows; a source that needs no column cannot count the rows by their cells.

        Returns:
            The values, one list for each slot, and the findings of rows, by the row's index.
        """


class SlotsFromVariables:
    """One variable for each slot, in order. The text of each message is then the registered text by construction."""

    def __init__(self, template: Template, variables: Sequence[Variable]) -> None:
        self.template = template
        self.columns = frozenset(column for variable in variables for column in variable.columns)
        self.required = frozenset[int]().union(*(variable.required for variable in variables))
        self.names: Sequence[str] = [
            f"variable {number} ({variable.text})" for number, variable in enumerate(variables, 1)
        ]
        self._variables = variables

    def values(self, cells: Cells, rows: int) -> tuple[list[list[str]], Mapping[int, Finding]]:
        """Compose the values of each slot; there are no findings."""
        return [variable.compose(cells, rows) for variable in self._variables], {}


class SlotsFromText:
    """A whole text that must match the registered text; the values of the slots are cut out of the whole text.

    Args:
        template: the registered text.
        text: the campaign's own text.
        max_length: the limit of characters for a value.
    """

    def __init__(self, template: Template, text: Variable, *, max_length: int) -> None:
        self.template = template
        self.columns = frozenset(text.columns)
        self.required = text.required
        self.names: Sequence[str] = [f"slot {number} of the text" for number in range(1, len(template.slots) + 1)]
        self._text = text
        self._max_length = max_length

    def values(self, cells: Cells, rows: int) -> tuple[list[list[str]], Mapping[int, Finding]]:
        """Compose the texts and cut them at the literals; a text without a match gets empty values and a finding."""
        slots = self.template.slots
        findings: dict[int, Finding] = {}
        texts = self._text.compose(cells, rows)
        cuts: list[list[str]] = []
        for index, text in enumerate(texts):
            cut = self.template.values_between_literals(text)
            if isinstance(cut, int):
                findings[index] = self._difference(text, cut)
                cut = [""] * len(slots)
            cuts.append(cut)
        if not cuts:
            return [[] for _ in slots], findings
        columns = [list(values) for values in zip(*cuts, strict=True)]
        if all(all_values_valid(slot, values, self._max_length) for slot, values in zip(slots, columns, strict=True)):
            return columns, findings
        # A text can often be cut in several ways. If no cut gives valid values, the finding is about the first cut.
        cuts = [
            cut
            if index in findings or self._is_valid(cut)
            else self.template.extract_values(texts[index], self._max_length) or cut
            for index, cut in enumerate(cuts)
        ]
        return [list(values) for values in zip(*cuts, strict=True)], findings

    def _is_valid(self, cut: Sequence[str]) -> bool:
        return all(
            slot.check(value, self._max_length) is None for slot, value in zip(self.template.slots, cut, strict=True)
        )

    def _difference(self, text: str, missing: int) -> Finding:
        """Return where a text differs from the registered text; ``missing`` is the index of the missing literal."""
        literals = self.template.literals
        start = 0
        for literal in literals[1:missing]:
            start = text.find(literal, max(start, len(literals[0]))) + len(literal)
        if missing:
            start = max(start, len(literals[0]))
        lacking = literals[missing]
        difference = f"lacks {lacking[:_CHARACTERS_SHOWN]!r}" if lacking else "goes on after the end"
        message = f"text differs from the registered text: it {difference}" + (" at its start" if not missing else "")
        return Finding(RefusalReason.TEXT, message, text[start : start + _CHARACTERS_SHOWN])


def all_values_valid(slot: Slot, values: Sequence[str], max_length: int) -> bool:
    """Return whether a slot certainly allows all of these values; False means that each value must be checked."""
    if slot.kind not in _CHECKED_BY_CHARACTER or max(map(len, values), default=0) > slot.max_length(max_length):
        return False
    if slot.kind != "var" and not all(values):
        return False
    joined = "".join(values)
    if slot.kind == "var" and joined.isprintable():  # a slot without a type allows all of these characters
        return True
    return slot.check(joined, len(joined)) is None
