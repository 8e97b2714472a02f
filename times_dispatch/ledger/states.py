"""The states of a message and of a campaign, grouped by meaning (docs/concepts.md)."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
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


class MessageState(StrEnum):
    """Where one message stands.

    The value is the byte that the ledger's records hold, and the suffix of the counter in the campaign's hash.
    """

    PENDING = "p"
    SENDING = "s"
    ACCEPTED = "a"
    DELIVERED = "d"
    FAILED = "f"
    NO_REPORT = "n"
    REJECTED = "r"
    IN_DOUBT = "i"
    GIVEN_UP = "g"
    SUPPRESSED = "u"
    EXPIRED = "e"
    CANCELLED = "x"

    @property
    def label(self) -> str:
        """The name as people read it: ``in_doubt``, ``no_report``."""
        return self.name.lower()


UNSENT = frozenset({MessageState.PENDING, MessageState.SENDING})
"""While a message is in one of these, its campaign cannot be finished."""

AWAITING_REPORT = frozenset({MessageState.ACCEPTED, MessageState.IN_DOUBT})
"""A delivery report is still expected to decide these."""

FINAL = frozenset(MessageState) - UNSENT - AWAITING_REPORT
"""Nothing more is expected; a late report may still turn FAILED, NO_REPORT or GIVEN_UP into DELIVERED.

A late click or reply turns GIVEN_UP into ACCEPTED.
"""

SENT = frozenset(
    {
        MessageState.ACCEPTED,
        MessageState.DELIVERED,
        MessageState.FAILED,
        MessageState.NO_REPORT,
    }
)
"""Handed to the provider and taken by it: what the statistics call *sent* (docs/domain.md section 4)."""


class CampaignState(StrEnum):
    """Where a campaign stands. The value is stored in the campaign's hash and shown to people."""

    SUBMITTING = "submitting"
    """Batches are still being written; nothing is sent."""
    RUNNING = "running"
    """Messages go out as the sender's limit allows (or wait for ``start_at``)."""
    PAUSED = "paused"
    """Held by a person, also while nothing is left of it but what is in doubt."""
    BRAKED = "braked"
    """Stopped itself, and held like a paused one; the reason says why."""
    FINISHED = "finished"
    """Nothing is pending or sending; reports may still be coming in, or what is in doubt be sent again by policy."""
    CANCELLED = "cancelled"
    """Stopped for good by a person; what was pending is cancelled, what is in doubt is not sent again."""


LIVE = frozenset({CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.BRAKED})
"""Sealed and not over."""
