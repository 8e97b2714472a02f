"""The placeholders of payloads and headers (docs/domain.md section 2), and where each takes its value from."""

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
    """No request can be made of this push."""


def _variables(push: Push) -> str:
    return msgspec.json.encode(push.variables).decode()


OF_PUSH: Final[Mapping[str, Getter]] = {
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
"""What each message brings. ``$$TemplateVariables`` are the slots' values as a JSON array: a list joined by anything
else could be split in another place by a recipient's name."""

CREDENTIALS: Final = frozenset({"Username", "Password"})

KNOWN: Final = frozenset(OF_PUSH) | CREDENTIALS
"""Any other name is a custom key-value: of the provider, of the campaign, or of the row."""


PLAIN: Final = frozenset({"To", "TemplateID", "MessageID", "CampaignID", "From", "EntityID", "Unicode"})
"""Letters and digits whatever the message: they need no escape anywhere."""


def names_in(text: str) -> list[str]:
    """Name the placeholders of a template, in order."""
    return PLACEHOLDER.findall(text)


def custom(name: str, default: str | None) -> Getter:
    """Return what gets a custom value: the push's own, else the provider's. Raises PushUnsendable if there is none."""

    def get(push: Push) -> str:
        value = push.custom.get(name, default) if push.custom else default
        if value is None:
            raise PushUnsendable(f"no value for $${name}")
        return value

    return get
