"""``[templates.NAME]``: texts registered with the DLT, in ``dispatch.toml`` or in the registry file."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from times_dispatch.settings.tables.senders import CallbackNumbers, Links
from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.sms.placeholders import right_spelling
from times_dispatch.sms.rules import dlt_ids
from times_dispatch.sms.rules.categories import Category
from times_dispatch.sms.slot_rules import Operator
from times_dispatch.sms.templates import MAX_VALUE_LENGTH, Template, TemplateInvalid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_template_name(name: str) -> str:
    """Return the name of a template; raise ``ValueError`` if the name has an invalid form."""
    if not _NAME.fullmatch(name):
        raise ValueError("a template's name is letters, digits, -, _ or ., at most 64")
    return name


def _check_content_id(digits: str) -> str:
    if problem := dlt_ids.content_problem(digits):
        raise ValueError(problem)
    return digits


def _check_text(text: str) -> str:
    try:
        literals = Template(text).literals
    except TemplateInvalid as invalid:
        raise ValueError(str(invalid)) from None
    if spelling := next(filter(None, map(right_spelling, literals)), ""):
        raise ValueError(f"a slot is not written like {{#var#}}; {spelling}")
    return text


class TemplateSettings(StrictTable):
    """A text registered with the DLT, and the senders that may send it."""

    RENAMED: ClassVar[Mapping[str, str]] = {"longest_value": "max_value_length"}

    sender: str = ""
    senders: list[str] = Field(default_factory=list)
    content_id: Annotated[str, AfterValidator(_check_content_id)]
    text: Annotated[str, Field(min_length=1), AfterValidator(_check_text)]
    """The registered text, byte for byte, with ``{#var#}`` slots."""
    category: Category | None = None
    """The registered category; by default, the sender's category. A promotional template is promotional for every
    sender.
    """
    max_value_length: Annotated[int, Field(ge=1, le=2_000)] = MAX_VALUE_LENGTH
    """The maximum number of characters of a slot's value. Some types of slots allow more than the default, see
    ``times_dispatch.sms.slot_rules``.
    """
    operator: Operator = ""
    """The operator at whose portal the text is registered; the operator's rules apply to the values of slots."""
    links: Links = Field(default_factory=list)
    """Whitelisted links, in addition to the sender's links."""
    callback_numbers: CallbackNumbers = Field(default_factory=list)
    """Whitelisted phone numbers, in addition to the sender's phone numbers."""

    @model_validator(mode="after")
    def _has_one_list_of_senders(self) -> "TemplateSettings":
        if bool(self.sender) == bool(self.senders):
            raise ValueError('needs either sender = "HEADER" or senders = ["HEADER", …]')
        return self

    @property
    def headers(self) -> tuple[str, ...]:
        """The senders that may send the template, the preferred sender first."""
        return tuple(self.senders) or (self.sender,)


class RegistrySettings(StrictTable):
    """``[registry]``: the file with imported templates."""

    templates: str = ""
    """The file that ``dispatch template import`` writes; a relative path begins at the folder of dispatch.toml."""


class RegistryFile(StrictTable):
    """The whole registry file."""

    templates: dict[Annotated[str, AfterValidator(check_template_name)], TemplateSettings] = Field(default_factory=dict)
