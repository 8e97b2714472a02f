"""The states of a message and of a campaign, grouped by meaning (docs/concepts.md)."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final


class Suppression(IntEnum):
    """Why a message was suppressed.

    The codes are our own: lower than every code of the provider, and different from our codes of failed pushes.
    """

    OPTED_OUT = 31
    TOO_MANY = 32
    SAME_TEXT = 33
    DEAD_NUMBER = 34
    FORGOTTEN = 35


SUPPRESSION_REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        Suppression.OPTED_OUT: "on the opt-out list",
        Suppression.TOO_MANY: "too many to this number",
        Suppression.SAME_TEXT: "the same text again",
        Suppression.DEAD_NUMBER: "a dead number",
        Suppression.FORGOTTEN: "a forgotten number",
    }
)


class MessageState(StrEnum):
    """The state of one message.

    The value is the state byte in the ledger's records, and the name of the counter in the campaign's hash.
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
        """The state's name in output for people: ``in_doubt``, ``no_report``."""
        return self.name.lower()


UNSENT = frozenset({MessageState.PENDING, MessageState.SENDING})
"""A campaign with a message in one of these states cannot be finished."""

AWAITING_REPORT = frozenset({MessageState.ACCEPTED, MessageState.IN_DOUBT})
"""A delivery report is still expected for messages in these states."""

FINAL = frozenset(MessageState) - UNSENT - AWAITING_REPORT
"""No further change is expected for messages in these states.

A late report can still turn FAILED, NO_REPORT or GIVEN_UP into DELIVERED, and a late click or reply turns GIVEN_UP into
ACCEPTED.
"""

SENT = frozenset(
    {
        MessageState.ACCEPTED,
        MessageState.DELIVERED,
        MessageState.FAILED,
        MessageState.NO_REPORT,
    }
)
"""The provider accepted messages in these states; the statistics count them as *sent* (docs/domain.md section 4)."""


NEVER_SENT: Final = frozenset({MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED})
"""No provider ever got messages in these states.

A message of which a provider may have got an earlier attempt is given up or failed instead.
"""


class CampaignState(StrEnum):
    """The state of a campaign. The value is stored in the campaign's hash and shown to people."""

    SUBMITTING = "submitting"
    """Batches are still being written, and nothing is sent."""
    RUNNING = "running"
    """Messages are sent as fast as the sender's limit allows, or wait for ``start_at``."""
    PAUSED = "paused"
    """A person paused the campaign. A campaign can also be paused while it has only messages in doubt."""
    BRAKED = "braked"
    """The campaign was stopped automatically, and stays stopped like a paused campaign; its reason says why."""
    FINISHED = "finished"
    """No message is pending or sending. Reports may still arrive, and the policy may send messages in doubt again."""
    CANCELLED = "cancelled"
    """A person stopped the campaign for good. Pending messages are cancelled; messages in doubt are not sent again."""


LIVE = frozenset({CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.BRAKED})
"""States of a campaign that is sealed and neither finished nor cancelled."""
