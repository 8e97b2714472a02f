"""What in the ledger is not what it must be: a hand, a half-restored backup. It costs its own campaign, no other."""

from typing import NamedTuple

from times_dispatch.ledger.model import CampaignId, SenderId


class Damage(NamedTuple):
    """What cannot be worked on as it stands in the ledger."""

    sender: SenderId
    campaign: CampaignId
    batch: str
    """Its number from 0; empty if it is the campaign itself."""
    doing: str
    error: str
