"""A push as a value: all data that differs between two messages of one provider."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Push(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rendered message for the provider."""

    to: str
    """The recipient's number in E.164 digits, usually without the plus: ``919876543210``."""
    text: str
    sender: str
    content_id: str
    """The DLT content (template) id."""
    correlation_id: str
    """The delivery report repeats this id byte for byte; see ``times_dispatch.provider.correlation_ids``."""
    unicode: bool
    campaign: str = ""
    entity_id: str = ""
    """The principal entity id of the sender."""
    variables: Sequence[str] = ()
    """The values of the template's slots, in their order."""
    custom: Mapping[str, str] | None = None
    """Values of custom placeholders, from the campaign or the row, by name without the ``$$``."""

    @property
    def unicode_word(self) -> str:
        """The string for ``unicode``, which the API expects instead of a JSON boolean (docs/domain.md section 1)."""
        return "true" if self.unicode else "false"

    def __repr__(self) -> str:
        return f"Push(sender={self.sender!r}, correlation_id={self.correlation_id!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("sender", self.sender), ("correlation_id", self.correlation_id)]
