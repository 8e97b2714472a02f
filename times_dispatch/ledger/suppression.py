"""Why a message is suppressed: it was ready to go, and must not reach its number."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class Suppression(IntEnum):
    """Our own codes of suppressed messages, below all of the provider's and apart from those of failed pushes."""

    OPTED_OUT = 31
    TOO_MANY = 32
    SAME_TEXT = 33


WORDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        Suppression.OPTED_OUT: "on the opt-out list",
        Suppression.TOO_MANY: "too many to this number",
        Suppression.SAME_TEXT: "the same text again",
    }
)
