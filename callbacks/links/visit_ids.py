"""Ids of visits of tracked links: each visit counts once, also if its stream entry is delivered twice."""

import secrets
from collections import OrderedDict
from typing import Final

from times_dispatch.ledger.model import CampaignId

_MAX_CAMPAIGNS: Final = 10_000
_MAX_NUMBER: Final = 999_999_999


class VisitIds:
    """Numbers the visits of each campaign: a random name of 16 characters, a hyphen and the number.

    The numbers follow each other, so that the ledger notes a counted visit with one bit. A process that starts again,
    or that has forgotten a campaign, uses a new name.
    """

    def __init__(self, *, max_campaigns: int = _MAX_CAMPAIGNS, max_number: int = _MAX_NUMBER) -> None:
        """Make ids of no visits yet.

        Args:
            max_campaigns: campaigns that are remembered.
            max_number: the last number under one name.
        """
        self._max_campaigns = max_campaigns
        self._max_number = max_number
        self._last: OrderedDict[CampaignId, tuple[str, int]] = OrderedDict()

    def next(self, campaign: CampaignId) -> str:
        """Return the id of the next visit of a campaign."""
        name, number = self._last.get(campaign, ("", self._max_number))
        name, number = (secrets.token_hex(8), 0) if number >= self._max_number else (name, number + 1)
        self._last[campaign] = (name, number)
        self._last.move_to_end(campaign)
        if len(self._last) > self._max_campaigns:
            self._last.popitem(last=False)
        return f"{name}-{number}"
