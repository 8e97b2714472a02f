"""A condition: something that is so now, or that happened; its words hold no phone number and no text of a message."""

from typing import Final

import msgspec

from times_dispatch.ledger.alerts import AlertKind
from times_dispatch.ledger.live_campaigns import LiveCampaign
from times_dispatch.ledger.model import CampaignView
from times_dispatch.visible_text import visible, without_long_numbers

_MAX_FOREIGN: Final = 200
BACKLOG: Final = "backlog"
"""The subject of the condition that reports wait."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is so now, or that happened once."""

    kind: AlertKind
    subject: str
    """What the condition is about, so that the same condition is known again: ``TIMESM:times``."""
    sender: str = ""
    """Empty if the condition is about the whole deployment."""
    text: str
    """One line for people."""

    @property
    def id(self) -> str:
        """Return the id of the alert."""
        return f"{self.kind}:{self.subject}"


def foreign(text: str) -> str:
    """Return a text that a person or a provider wrote, on one line and without anything that may be a phone number."""
    return without_long_numbers(visible(text))[:_MAX_FOREIGN]


def campaign_in_words(view: CampaignView | LiveCampaign) -> str:
    """Return how alerts name a campaign."""
    return f"campaign {view.id} ({foreign(view.plan.name)}) of sender {view.plan.sender}"
