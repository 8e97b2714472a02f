"""Earlier campaigns to the recipients of a draft: a person may have edited a file and submitted the file again."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from redis.asyncio import Redis

from producers.draft import Draft
from producers.submit import BATCH_SIZE, Progress
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignUnknown
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.number_samples import NumberSample, NumberSamples, SampledCampaign
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.submission import Submissions

MIN_SHARE = 0.5
"""An earlier campaign with at least this share of a draft's recipients counts as a campaign to the same people."""


class Overlap(NamedTuple):
    """An earlier campaign, and the share of the draft's recipients that are also its recipients, from 0 to 1."""

    campaign: SampledCampaign
    share: float


async def comparable_campaigns(redis: Redis, draft: Draft, *, salt: str, now: datetime) -> list[SampledCampaign]:
    """Return recent campaigns of the draft's sender with the draft's name or template.

    The result is empty if the same submit ran before, because the submit then finishes or names its own campaign. A
    campaign that was cancelled before its first message is left out, because it reached nobody.
    """
    if await Submissions(redis).find(draft.fingerprint.digest(salt)) is not None:
        return []
    table = draft.campaign.table
    similar = [
        campaign
        for campaign in await NumberSamples(redis).recent(SenderId(table.sender), now)
        if campaign.name == table.name or campaign.template == table.template
    ]
    return [campaign for campaign in similar if not await _reached_nobody(redis, campaign)]


def overlaps(draft: Draft, campaigns: Sequence[SampledCampaign], progress: Progress | None = None) -> list[Overlap]:
    """Read the rows of a draft; return the campaigns with at least half of its recipients, the greatest share first."""
    sample = NumberSample()
    with draft.read(rejects=False) as row_pass:
        for batch in row_pass.batches(BATCH_SIZE):
            sample.add(batch.to)
            if progress:
                progress(row_pass)
    hashes = sample.hashes()
    all_overlaps = [Overlap(campaign, campaign.share_of(hashes)) for campaign in campaigns]
    return sorted((overlap for overlap in all_overlaps if overlap.share >= MIN_SHARE), key=lambda each: -each.share)


async def _reached_nobody(redis: Redis, campaign: SampledCampaign) -> bool:
    try:
        view = await Queries(redis).campaign(campaign.id)
    except (CampaignUnknown, CampaignArchived, CampaignDamaged):
        return False
    return view.state is CampaignState.CANCELLED and not view.first_sent_ms
