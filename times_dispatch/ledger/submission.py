"""Writing a campaign into the ledger: nothing is sent before the last step, and every step can be repeated."""

import struct
from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.ledger.errors import SubmissionRefused
from times_dispatch.ledger.model import CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.records import pack_recipients
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.states import CampaignState, Suppression

CAMPAIGNS = "campaigns"
"""Hash: campaign id to sender."""
SENDERS = "senders"
"""Set: the senders that ever had a campaign."""
_SUBMISSIONS = "submissions"
"""Hash: fingerprint of a submit to campaign id."""


class BrakeRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a campaign stops itself: more than this share of the last so many were bad. A length of 0 is never."""

    pushes: int = 0
    rejected_share: float = 1.0
    reports: int = 0
    failed_share: float = 1.0


class Begun(msgspec.Struct, frozen=True):
    """How far the ledger knows a campaign."""

    state: CampaignState
    batches: int
    plan: Plan
    batch_size: int
    created: bool


class Submissions:
    """What a producer does with the ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = Script(redis, "begin")
        self._add_batch = Script(redis, "add_batch")
        self._seal = Script(redis, "seal")

    async def find(self, fingerprint: str) -> CampaignId | None:
        """Return the campaign id that a submit has claimed; None if it is new."""
        claimed = await self._redis.hget(_SUBMISSIONS, fingerprint)
        return CampaignId(text(claimed)) if claimed is not None else None

    async def claim(self, fingerprint: str, sender: SenderId, candidate: CampaignId) -> CampaignId:
        """Return the campaign id that belongs to a submit: the same fingerprint always gets the same id.

        ``candidate`` is a new random id, used if the fingerprint is new. Raises ``SubmissionRefused`` if it is
        taken by another submit (once in millions of millions: try again with another).
        """
        await self._redis.hsetnx(_SUBMISSIONS, fingerprint, candidate)
        claimed = await self._redis.hget(_SUBMISSIONS, fingerprint)
        campaign = CampaignId(text(claimed))
        is_new = await self._redis.hsetnx(CAMPAIGNS, campaign, sender)
        if campaign == candidate and not is_new and await self._redis.hget(CAMPAIGNS, campaign) != sender.encode():
            await self._redis.hdel(_SUBMISSIONS, fingerprint)
            raise SubmissionRefused(candidate, "the id is taken; submit again")
        await self._redis.sadd(SENDERS, sender)
        return campaign

    async def begin(
        self, campaign: CampaignId, plan: Plan, *, batch_size: int, brake: BrakeRule | None = None
    ) -> Begun:
        """Create the campaign, or find how far an earlier submit of it came (then with the plan it stored)."""
        brake = brake or BrakeRule()
        reply = await self._begin(
            plan.sender,
            campaign,
            msgspec.json.encode(plan),
            batch_size,
            plan.rate_per_s,
            plan.cost_unit,
            plan.start_at_ms,
            plan.valid_until_ms,
            plan.report_wait_s * 1000,
            int(plan.urgent),
            plan.in_doubt,
            brake.pushes,
            brake.rejected_share,
            brake.reports,
            brake.failed_share,
            " ".join(plan.chain),
            plan.max_parts,
            int(plan.send_until_min > 0),
            plan.missed_start,
        )
        created, state, batches, size, stored = reply
        return Begun(
            CampaignState(state.decode()), batches, msgspec.json.decode(stored, type=Plan), size, created=bool(created)
        )

    async def add_batch(
        self,
        campaign: CampaignId,
        sender: SenderId,
        number: int,
        recipients: Recipients,
        *,
        opted_out: Sequence[int] = (),
    ) -> None:
        """Append batch ``number``; do nothing if it is stored already.

        ``opted_out`` are indexes within the batch, ascending: these messages are suppressed from the start.
        Raises ``SubmissionRefused`` if a batch before it is missing or was short, if it is empty or too long, or if the
        campaign is sealed.
        """
        parts = recipients.parts
        costs = b""
        if parts.count(1) != len(parts):
            costs = bytes(parts if max(parts) <= 255 else [min(part, 255) for part in parts])
        try:
            await self._add_batch(
                sender,
                campaign,
                number,
                len(recipients.to),
                pack_recipients(recipients),
                costs,
                struct.pack(f">{len(opted_out)}H", *opted_out),
                Suppression.OPTED_OUT.value,
            )
        except ResponseError as error:
            raise _refusal(campaign, error) from error

    async def seal(self, campaign: CampaignId, sender: SenderId, *, total: int, batches: int) -> None:
        """Let the campaign run; raise ``SubmissionRefused`` if the ledger counted other totals."""
        try:
            await self._seal(sender, campaign, total, batches)
        except ResponseError as error:
            raise _refusal(campaign, error) from error


def _refusal(campaign: CampaignId, error: ResponseError) -> SubmissionRefused | ResponseError:
    kind, _, reason = str(error).partition(" ")
    refusals = {"NOCAMPAIGN", "SEALED", "GAP", "SIZE", "SHORT", "COUNT"}
    return SubmissionRefused(campaign, reason) if kind in refusals else error
