"""``[templates.NAME]``: texts as registered with the DLT, in ``dispatch.toml`` or in the registry file it names."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from times_dispatch.settings.senders import CallbackNumbers, Links
from times_dispatch.settings.strict_table import StrictTable
from times_dispatch.sms.rules import ids
from times_dispatch.sms.rules.categories import Category
from times_dispatch.sms.templates import LONGEST_VALUE, Template, TemplateInvalid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def template_name(name: str) -> str:
    """Take a template's name; raise ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError("a template's name is letters, digits, -, _ or ., at most 64")
    return name


def _content_id(digits: str) -> str:
    if problem := ids.content_problem(digits):
        raise ValueError(problem)
    return digits


def _text(text: str) -> str:
    try:
        Template(text)
    except TemplateInvalid as invalid:
        raise ValueError(str(invalid)) from None
    return text


class TemplateSettings(StrictTable):
    """A text registered with the DLT, and who may send it."""

    RENAMED: ClassVar[Mapping[str, str]] = {"longest_value": "max_value_length"}

    sender: str = ""
    senders: list[str] = Field(default_factory=list)
    content_id: Annotated[str, AfterValidator(_content_id)]
    text: Annotated[str, Field(min_length=1), AfterValidator(_text)]
    """As registered, byte for byte, with its ``{#var#}`` slots."""
    category: Category | None = None
    """As registered; left out, its sender's. A promotional template is promotional whoever sends it."""
    max_value_length: Annotated[int, Field(ge=1, le=2_000)] = LONGEST_VALUE
    """Characters that a slot's value may have."""
    links: Links = Field(default_factory=list)
    """Whitelisted for it, beside those of its sender."""
    callback_numbers: CallbackNumbers = Field(default_factory=list)
    """Whitelisted for it, beside those of its sender."""

    @model_validator(mode="after")
    def _has_one_list_of_senders(self) -> "TemplateSettings":
        if bool(self.sender) == bool(self.senders):
            raise ValueError('needs either sender = "HEADER" or senders = ["HEADER", …]')
        return self

    @property
    def headers(self) -> tuple[str, ...]:
        """The senders that may send it, the preferred one first."""
        return tuple(self.senders) or (self.sender,)


class Registry(StrictTable):
    """``[registry]``: templates that were imported."""

    templates: str = ""
    """The file that ``dispatch template import`` writes, beside dispatch.toml unless it is an absolute path."""


class RegistryFile(StrictTable):
    """The whole of the registry file."""

    templates: dict[Annotated[str, AfterValidator(template_name)], TemplateSettings] = Field(default_factory=dict)
