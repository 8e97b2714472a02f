"""The placeholders of payloads and headers, and the source of each value (docs/domain.md section 2)."""

import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final

import msgspec

from times_dispatch.provider.push import Push

PLACEHOLDER: Final = re.compile(r"\$\$([A-Za-z][A-Za-z0-9_]*)")

VARIABLES: Final = "TemplateVariables"

Getter = Callable[[Push], str]


class PushUnsendable(ValueError):
    """No request can be made from this push."""


def _variables(push: Push) -> str:
    return msgspec.json.encode(push.variables).decode()


PUSH_GETTERS: Final[Mapping[str, Getter]] = {
    "To": attrgetter("to"),
    "Body": attrgetter("text"),
    "TemplateID": attrgetter("content_id"),
    "MessageID": attrgetter("correlation_id"),
    "CampaignID": attrgetter("campaign"),
    "From": attrgetter("sender"),
    "EntityID": attrgetter("entity_id"),
    "Unicode": attrgetter("unicode_word"),
    VARIABLES: _variables,
}
"""The values of placeholders, read from a push. ``$$TemplateVariables`` is a JSON array of the slots' values: a list
with a separator would be ambiguous if a recipient's name contained the separator."""

CREDENTIALS: Final = frozenset({"Username", "Password"})

RESERVED: Final = frozenset(PUSH_GETTERS) | CREDENTIALS
"""The names with a fixed meaning. Any other name is a custom key-value of the provider, the campaign or the row."""

ESCAPE_FREE: Final = frozenset({"To", "TemplateID", "MessageID", "CampaignID", "From", "EntityID", "Unicode"})
"""Placeholders whose values are always letters and digits, which need no escaping anywhere."""


def names_in(text: str) -> list[str]:
    """Return the names of a template's placeholders, in order."""
    return PLACEHOLDER.findall(text)


def custom_getter(name: str, default: str | None) -> Getter:
    """Return a function that gets a custom value from a push, or the default; without both it raises PushUnsendable."""

    def get(push: Push) -> str:
        value = push.custom.get(name, default) if push.custom else default
        if value is None:
            raise PushUnsendable(f"no value for $${name}")
        return value

    return get
