"""The visits of tracked links: the answered visits in the sandbox's journal, and the counted visits in the ledger."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import CampaignKey, campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.sandbox.bookkeeping.books import CAMPAIGN_CHARACTERS
from times_dispatch.sandbox.bookkeeping.entries import Entry, ReportEntry

_VISITS_IN_BLOCK = 1024
"""How many visits one field of the ledger's hash stores, as in ``lua/apply_reports.lua``."""


class CampaignVisits(msgspec.Struct, frozen=True):
    """The visits of one campaign, by their ids."""

    answered: set[str]
    """Visits that were answered with a redirect."""
    counted: set[str]
    """Visits that the ledger has noted as counted."""
    clicked: int
    """Clicks in the campaign's statistics."""

    @property
    def lost(self) -> set[str]:
        """Return the visits that were answered but not counted."""
        return self.answered - self.counted

    @property
    def counted_twice(self) -> int:
        """Return by how many the counted clicks exceed the counted visits."""
        return self.clicked - len(self.counted)


def answered_visits(journal: Path) -> dict[str, set[str]]:
    """Return the visits that were answered with a redirect, by campaign."""
    visits: defaultdict[str, set[str]] = defaultdict(set)
    decode = msgspec.json.Decoder(Entry).decode
    with journal.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n") and isinstance(entry := decode(line), ReportEntry) and entry.visit:
                visits[entry.meta[:CAMPAIGN_CHARACTERS]].add(entry.visit)
    return visits


async def counted_visits(redis: Redis, sender: SenderId, campaign: CampaignId) -> set[str]:
    """Return the visits of a campaign that the ledger has counted. Raises Redis errors."""
    blocks: Any = await redis.hgetall(f"{campaign_key(sender, campaign)}:{CampaignKey.VISITS}")
    return {
        f"{process}-{int(block) * _VISITS_IN_BLOCK + 8 * at + bit}"
        for field, bits in blocks.items()
        for process, _, block in [field.decode().partition(":")]
        for at, byte in enumerate(bits)
        for bit in range(8)
        if byte >> bit & 1
    }
