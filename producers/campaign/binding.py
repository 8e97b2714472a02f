"""A campaign's variables, or its own text, bound to the columns of a recipients file."""

from producers.campaign.table import CampaignTable
from producers.errors import InputInvalid
from producers.recipients import Heading
from producers.rows.slots import FromText, FromVariables, SlotSource
from producers.rows.variables import Variable, VariableInvalid
from times_dispatch.settings.document import Document
from times_dispatch.sms.templates import Template


def bind_slots(
    table: CampaignTable, template: Template, heading: Heading, *, longest: int, document: Document
) -> SlotSource:
    """Return what fills the template's slots; raise InputInvalid with every mistake."""
    if table.text is None:
        return FromVariables(template, _variables(table, template, heading, longest=longest, document=document))
    try:
        text = Variable(table.text, heading)
    except VariableInvalid as invalid:
        raise InputInvalid(document.mistake(("text",), str(invalid))) from None
    filling = FromText(template, text, longest=longest)
    if not text.columns and (finding := filling.values({}, 1)[1].get(0)):
        raise InputInvalid(document.mistake(("text",), finding.reason))
    return filling


def _variables(
    table: CampaignTable, template: Template, heading: Heading, *, longest: int, document: Document
) -> list[Variable]:
    mistakes: list[str] = []
    bound: list[Variable] = []
    slots = template.slots
    texts = table.variables
    if texts is not None and len(texts) != len(slots):
        counted = f"has {_counted(len(texts), 'entry', 'entries')}, template {table.template} has "
        mistakes.append(document.mistake(("variables",), counted + _counted(len(slots), "slot", "slots")))
    for place, text in enumerate([f"{{var{n}}}" for n in range(1, len(slots) + 1)] if texts is None else texts):
        try:
            variable = Variable(text, heading)
        except VariableInvalid as invalid:
            if texts is None:
                mistakes.append(document.mistake(("variables",), f"is missing, and for its default {invalid}"))
            else:
                mistakes.append(document.mistake(("variables", place), str(invalid)))
            continue
        bound.append(variable)
        if not variable.columns and place < len(slots):
            constant = variable.compose({}, 1)[0]
            if reason := slots[place].check(constant, longest):
                mistakes.append(document.mistake(("variables", place), reason))
    if mistakes:
        raise InputInvalid(*mistakes)
    return bound


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
