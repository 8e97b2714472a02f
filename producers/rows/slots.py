"""What fills a template's slots, row by row: a variable for each slot, or a text of the campaign's own."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from producers.rows.refusals import Finding, RefusalReason
from producers.rows.variables import Variable
from times_dispatch.sms.templates import Slot, Template

_JUDGED_BY_CHARACTER = frozenset({"var", "numeric", "number"})
"""Slots of these kinds look at each character by itself, so that many values can be judged as one text; an
alphanumeric one also looks at how a value begins."""


def all_values_valid(slot: Slot, values: Sequence[str], longest: int) -> bool:
    """Say whether all values surely fit; False only means that each must be looked at."""
    if slot.kind not in _JUDGED_BY_CHARACTER or max(map(len, values), default=0) > longest:
        return False
    if slot.kind != "var" and not all(values):
        return False
    together = "".join(values)
    return slot.check(together, len(together)) is None


Cells = Mapping[int, Sequence[str]]
"""The cells of some rows, by the column they stand in."""

_SHOWN = 40
"""Characters of a text that show where it departs from the registered one."""


class SlotSource(Protocol):
    """Makes the values of a template's slots.

    ``columns`` are those that it needs. ``names`` says how to call a slot's value when something is wrong with it.
    """

    template: Template
    columns: frozenset[int]
    names: Sequence[str]

    def values(self, cells: Cells, rows: int) -> tuple[list[list[str]], Mapping[int, Finding]]:
        """Return the values of so many rows, a list for each slot, and what is wrong with rows, by their place."""


class FromVariables:
    """A variable for each slot, in order; the text is then the registered one whatever the values."""

    def __init__(self, template: Template, variables: Sequence[Variable]) -> None:
        self.template = template
        self.columns = frozenset(column for variable in variables for column in variable.columns)
        self.names: Sequence[str] = [
            f"variable {place} ({variable.text})" for place, variable in enumerate(variables, 1)
        ]
        self._variables = variables

    def values(self, cells: Cells, rows: int) -> tuple[list[list[str]], Mapping[int, Finding]]:
        """Compose the values."""
        return [variable.compose(cells, rows) for variable in self._variables], {}


class FromText:
    """A whole text, which must match the registered one; its slots' values are what stands between the literals."""

    def __init__(self, template: Template, text: Variable, *, longest: int) -> None:
        self.template = template
        self.columns = frozenset(text.columns)
        self.names: Sequence[str] = [f"slot {place} of the text" for place in range(1, len(template.slots) + 1)]
        self._text = text
        self._longest = longest

    def values(self, cells: Cells, rows: int) -> tuple[list[list[str]], Mapping[int, Finding]]:
        """Compose the texts and cut them; one that does not match gets empty values and a finding."""
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
        if all(all_values_valid(slot, values, self._longest) for slot, values in zip(slots, columns, strict=True)):
            return columns, findings
        # Another way to cut may be allowed; if none is, the values of this one say why.
        cuts = [
            cut
            if index in findings or self._fits(cut)
            else self.template.extract_values(texts[index], self._longest) or cut
            for index, cut in enumerate(cuts)
        ]
        return [list(values) for values in zip(*cuts, strict=True)], findings

    def _fits(self, cut: Sequence[str]) -> bool:
        return all(
            slot.check(value, self._longest) is None for slot, value in zip(self.template.slots, cut, strict=True)
        )

    def _difference(self, text: str, missing: int) -> Finding:
        """Say where a text departs from the registered one, whose literal of this number it lacks."""
        literals = self.template.literals
        start = 0
        for literal in literals[1:missing]:
            start = text.find(literal, max(start, len(literals[0]))) + len(literal)
        if missing:
            start = max(start, len(literals[0]))
        lacking = literals[missing]
        where = f"lacks {lacking[:_SHOWN]!r}" if lacking else "goes on after the end"
        reason = f"text differs from the registered one: it {where}" + (" at its start" if not missing else "")
        return Finding(RefusalReason.TEXT, reason, text[start : start + _SHOWN])
