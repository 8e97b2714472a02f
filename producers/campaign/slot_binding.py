"""Binds a campaign's variables, or its own text, to the columns of a recipients file."""

from producers.campaign.table import CampaignTable
from producers.errors import InputInvalid
from producers.recipients import Heading
from producers.rows.slots import SlotsFromText, SlotsFromVariables, SlotSource
from producers.rows.variables import Variable, VariableInvalid
from times_dispatch.bounded_mistakes import MAX_MISTAKES
from times_dispatch.plurals import counted
from times_dispatch.settings.toml.document import Document
from times_dispatch.sms.templates import Template


def bind_slots(
    table: CampaignTable, template: Template, heading: Heading, *, max_length: int, document: Document
) -> SlotSource:
    """Return the source that makes the values of the template's slots from the columns of a recipients file.

    Args:
        table: the fields of the campaign file.
        template: the registered text.
        heading: the columns of the recipients file.
        max_length: characters of a slot's value, at most.
        document: the campaign file, which knows the line of each field.

    Raises:
        InputInvalid: with every mistake in ``variables`` or ``text``.
    """
    if table.text is None:
        return SlotsFromVariables(
            template, _variables(table, template, heading, max_length=max_length, document=document)
        )
    try:
        text = Variable(table.text, heading)
    except VariableInvalid as invalid:
        raise InputInvalid(document.mistake(("text",), str(invalid))) from None
    source = SlotsFromText(template, text, max_length=max_length)
    # A text without placeholders is equal in every row, so that a finding is a mistake in the campaign file.
    if not text.columns and (finding := source.values({}, 1)[1].get(0)):
        raise InputInvalid(document.mistake(("text",), finding.message))
    return source


def _variables(
    table: CampaignTable, template: Template, heading: Heading, *, max_length: int, document: Document
) -> list[Variable]:
    """Bind one variable to each slot. The arguments are those of ``bind_slots``.

    Raises InputInvalid with all mistakes in the variables.
    """
    mistakes: list[str] = []
    max_bound = len(template.slots) + MAX_MISTAKES  # mistakes beyond these are not shown
    bound: list[Variable] = []
    slots = template.slots
    texts = table.variables
    if texts is not None and len(texts) != len(slots):
        entries = counted(len(texts), "entry", "entries")
        reason = f"has {entries}, template {table.template} has {counted(len(slots), 'slot', 'slots')}"
        mistakes.append(document.mistake(("variables",), reason))
    default = [f"{{var{number}}}" for number in range(1, len(slots) + 1)]
    for index, text in enumerate(default if texts is None else texts[:max_bound]):
        try:
            variable = Variable(text, heading)
        except VariableInvalid as invalid:
            if texts is None:
                reason = f"is missing, and its default cannot be used: {invalid}"
                mistakes.append(document.mistake(("variables",), reason))
            else:
                mistakes.append(document.mistake(("variables", index), str(invalid)))
            continue
        bound.append(variable)
        if not variable.columns and index < len(slots):
            constant = variable.compose({}, 1)[0]
            if problem := slots[index].check(constant, max_length):
                mistakes.append(document.mistake(("variables", index), problem))
    if mistakes:
        raise InputInvalid(*mistakes)
    return bound
