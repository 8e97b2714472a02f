"""Earlier campaigns to the recipients of a draft: a person may have edited a file and submitted the file again."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from producers.draft import Draft
from producers.submit import BATCH_SIZE, Progress
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignUnknown
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.numbers.samples import NumberSample, NumberSamples, SampledCampaign
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.plurals import counted
from times_dispatch.sms.rules.send_window import INDIA_ZONE

MIN_SHARE = 0.5
"""An earlier campaign with at least this share of a draft's recipients counts as a campaign to the same people."""


class Overlap(NamedTuple):
    """An earlier campaign, and the share of the draft's recipients that are also its recipients, from 0 to 1."""

    campaign: SampledCampaign
    share: float


class OverlapCounter:
    """Compares the recipients of a draft with those of earlier campaigns, while the rows of the draft are read."""

    def __init__(self, campaigns: Sequence[SampledCampaign]) -> None:
        self._campaigns = campaigns
        self._sample = NumberSample()

    def add(self, numbers: Sequence[str]) -> None:
        """Add recipients of the draft, as E.164 digits without the plus."""
        if self._campaigns:
            self._sample.add(numbers)

    @property
    def overlaps(self) -> list[Overlap]:
        """The campaigns with at least half of the recipients that were added, the greatest share first."""
        hashes = self._sample.hashes()
        all_overlaps = [Overlap(campaign, campaign.share_of(hashes)) for campaign in self._campaigns]
        return sorted((overlap for overlap in all_overlaps if overlap.share >= MIN_SHARE), key=lambda each: -each.share)


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
    counter = OverlapCounter(campaigns)
    with draft.read(rejects=False) as row_pass:
        for batch in row_pass.batches(BATCH_SIZE):
            counter.add(batch.to)
            if progress:
                progress(row_pass)
    return counter.overlaps


def overlaps_in_words(overlaps: Sequence[Overlap]) -> str:
    """Return a sentence without its full stop about at least one overlap; the first one is named."""
    (earlier, share), *others = overlaps
    submitted = datetime.fromtimestamp(earlier.submitted_ms / 1000, ZoneInfo(INDIA_ZONE))
    more = f", and {counted(len(others), 'more campaign')} with half of them or more" if others else ""
    return (
        f"{share:.0%} of these recipients are also in campaign {earlier.id} ({earlier.name}), submitted "
        f"{submitted:%Y-%m-%d %H:%M} IST{more}"
    )


async def _reached_nobody(redis: Redis, campaign: SampledCampaign) -> bool:
    try:
        view = await Queries(redis).campaign(campaign.id)
    except (CampaignUnknown, CampaignArchived, CampaignDamaged):
        return False
    return view.state is CampaignState.CANCELLED and not view.first_sent_ms
