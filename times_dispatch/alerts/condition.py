"""A condition of an alert, or an event. The text holds no phone number and no text of a message."""

from typing import Final

import msgspec

from times_dispatch.ledger.campaigns.live_campaigns import LiveCampaign
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.monitoring.alerts import AlertKind
from times_dispatch.visible_text import visible, without_long_numbers

_MAX_FOREIGN: Final = 200
BACKLOG: Final = "backlog"
"""The subject of the condition that reports wait."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that holds now, or an event that happened once."""

    kind: AlertKind
    subject: str
    """The subject of the condition, such as ``TIMESM:times``. Kind and subject identify the condition."""
    sender: str = ""
    """Empty if the condition is about the whole deployment."""
    text: str
    """One line for people."""

    @property
    def id(self) -> str:
        """Return the id of the alert."""
        return f"{self.kind}:{self.subject}"


def masked_line(text: str) -> str:
    """Return a text of a person or of a provider on one line, without any digits that may be a phone number."""
    return without_long_numbers(visible(text))[:_MAX_FOREIGN]


def campaign_in_words(view: CampaignView | LiveCampaign) -> str:
    """Return the name of a campaign in the texts of alerts."""
    return f"campaign {view.id} ({masked_line(view.plan.name)}) of sender {view.plan.sender}"
