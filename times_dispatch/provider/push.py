"""One push as a value: all that differs from one message to the next."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Push(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message to hand to the provider, rendered and ready."""

    to: str
    """E.164 digits, as a rule without the plus: ``919876543210``."""
    text: str
    sender: str
    content_id: str
    """The DLT content (template) id."""
    correlation_id: str
    """Comes back in the delivery report, byte for byte; see ``times_dispatch.provider.ids``."""
    unicode: bool
    campaign: str = ""
    entity_id: str = ""
    """The principal entity id of the sender."""
    variables: Sequence[str] = ()
    """The values of the template's slots, in order."""
    custom: Mapping[str, str] | None = None
    """Values of the campaign's or the row's own placeholders, by name without the ``$$``."""

    @property
    def unicode_word(self) -> str:
        """Say ``unicode`` as the API takes it: a string, not a JSON boolean (docs/domain.md section 1)."""
        return "true" if self.unicode else "false"

    def __repr__(self) -> str:
        return f"Push(sender={self.sender!r}, correlation_id={self.correlation_id!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("sender", self.sender), ("correlation_id", self.correlation_id)]
