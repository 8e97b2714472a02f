"""The submission of a campaign to the ledger: no message is sent before the last step; every step can be repeated."""

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.errors import CampaignArchived, SubmissionRefused
from times_dispatch.ledger.keys import CAMPAIGNS, SENDERS, SUBMISSIONS, CampaignField, campaign_key
from times_dispatch.ledger.lanes.names import is_lane
from times_dispatch.ledger.model import CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.numbers.fingerprints import number_fingerprints
from times_dispatch.ledger.protocol import Status
from times_dispatch.ledger.records import pack_recipients
from times_dispatch.ledger.schema import minor_for
from times_dispatch.ledger.scripts import Reply, Script, text
from times_dispatch.ledger.states import CampaignState, Suppression
from times_dispatch.ledger.trail import TrailAction, packed_entry
from times_dispatch.plurals import counted

_NONE_REFUSED: Mapping[str, int] = MappingProxyType({})


class BrakeRule(msgspec.Struct, frozen=True, kw_only=True):
    """The limits above which a campaign is braked automatically."""

    pushes: int = 0
    """How many of the last pushes count; with 0 pushes never brake the campaign."""
    rejected_share: float = 1.0
    """The share of rejected pushes among the last pushes above which the campaign is braked."""
    reports: int = 0
    """How many of the last delivery reports count; with 0 reports never brake the campaign."""
    failed_share: float = 1.0
    """The share of failed reports among the last delivery reports above which the campaign is braked."""


class Begun(msgspec.Struct, frozen=True):
    """The part of a campaign that the ledger holds while the campaign is being submitted."""

    state: CampaignState
    batches: int
    plan: Plan
    batch_size: int
    created: bool


class Submissions:
    """Writes campaigns into the ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = Script(redis, "begin")
        self._add_batch = Script(redis, "add_batch")
        self._seal = Script(redis, "seal")

    async def find(self, fingerprint: str) -> CampaignId | None:
        """Return the campaign id that a submit has claimed; None if the submit is new."""
        claimed = await self._redis.hget(SUBMISSIONS, fingerprint)
        return CampaignId(text(claimed)) if claimed is not None else None

    async def plan(self, sender: SenderId, campaign: CampaignId) -> Plan | None:
        """Return the plan that an earlier submit stored for a campaign; None if there is none."""
        stored = await self._redis.hget(campaign_key(sender, campaign), CampaignField.PLAN)
        return msgspec.json.decode(stored, type=Plan) if stored else None

    async def claim(self, fingerprint: str, sender: SenderId, candidate: CampaignId) -> CampaignId:
        """Return the campaign id of a submit; the same fingerprint always gets the same id.

        ``candidate`` is a new random id, which is used if the fingerprint is new. Raises ``SubmissionRefused`` if
        another submit has claimed this id; the caller can try again with another candidate.
        """
        await self._redis.hsetnx(SUBMISSIONS, fingerprint, candidate)
        claimed = await self._redis.hget(SUBMISSIONS, fingerprint)
        campaign = CampaignId(text(claimed))
        is_new = await self._redis.hsetnx(CAMPAIGNS, campaign, sender)
        if campaign == candidate and not is_new and await self._redis.hget(CAMPAIGNS, campaign) != sender.encode():
            await self._redis.hdel(SUBMISSIONS, fingerprint)
            raise SubmissionRefused(candidate, "the id is taken; submit again")
        await self._redis.sadd(SENDERS, sender)
        return campaign

    async def begin(
        self,
        campaign: CampaignId,
        plan: Plan,
        *,
        batch_size: int,
        brake: BrakeRule | None = None,
        price_micros: int = 0,
        trail: str = "",
    ) -> Begun:
        """Create the campaign, or return the plan and the batches that an earlier submit of the campaign stored.

        Args:
            campaign: The campaign.
            plan: The settings of the campaign.
            batch_size: Messages of a full batch.
            brake: The limits above which the campaign is braked.
            price_micros: The price of one SMS part in millionths of a rupee, for the statistics; 0 if there is none.
            trail: The packed entry of the sender's trail about a resend, noted if the campaign is new; else empty.

        Raises:
            CampaignArchived: The campaign was submitted before, and is archived.
        """
        brake = brake or BrakeRule()
        reply = await self._begin(
            plan.sender,
            campaign=campaign,
            plan=msgspec.json.encode(plan),
            schema=minor_for(plan),
            batch_size=batch_size,
            rate=plan.rate_per_s,
            cost_unit=plan.cost_unit,
            start_ms=plan.start_at_ms,
            until_ms=plan.valid_until_ms,
            report_wait_ms=plan.report_wait_s * 1000,
            urgent=int(plan.urgent),
            in_doubt=plan.in_doubt,
            brake_push_last=brake.pushes,
            brake_push_share=brake.rejected_share,
            brake_report_last=brake.reports,
            brake_report_share=brake.failed_share,
            chain=" ".join(plan.chain),
            max_parts=plan.max_parts,
            has_send_window=int(plan.send_until_min > 0),
            missed_start=plan.missed_start,
            template=plan.template,
            price=price_micros,
            retry_codes=_joined(plan.retry.codes) if plan.retry else "",
            retry_after_s=_joined(plan.retry.after_s) if plan.retry else "",
            retry_at_most=plan.retry.at_most if plan.retry else 0,
            resend_of="" if is_lane(plan.sender) else plan.resend_of,  # the first lane records the resend for all lanes
            is_promotional=int(plan.category == "promotional"),
            trail=trail,
        )
        if reply.get("is_archived"):
            raise CampaignArchived(campaign, plan.sender)
        return Begun(
            state=CampaignState(text(reply["state"])),
            batches=reply["batches"],
            plan=msgspec.json.decode(reply["plan"], type=Plan),
            batch_size=reply["batch_size"],
            created=bool(reply["created"]),
        )

    async def add_batch(
        self,
        campaign: CampaignId,
        sender: SenderId,
        number: int,
        recipients: Recipients,
        *,
        opted_out: Sequence[int] = (),
        forgotten: Sequence[int] = (),
    ) -> None:
        """Append a batch; do nothing if the batch is stored already.

        Args:
            campaign: The campaign.
            sender: The sender of the campaign.
            number: The number of the batch, from 0.
            recipients: The recipients of the batch.
            opted_out: Indexes within the batch, ascending: these messages are suppressed from the start.
            forgotten: Indexes of messages whose numbers are forgotten, suppressed likewise; the recipients have no data
                of these messages.

        Raises:
            SubmissionRefused: An earlier batch is missing or short, the batch is empty or too long, or the campaign is
                sealed.
        """
        parts = recipients.parts
        part_counts = b""
        if parts.count(1) != len(parts):
            part_counts = bytes(parts if max(parts) <= 255 else [min(part, 255) for part in parts])
        suppressed = dict.fromkeys(opted_out, Suppression.OPTED_OUT.value)
        suppressed |= dict.fromkeys(forgotten, Suppression.FORGOTTEN.value)
        count = len(recipients.to)
        reply = await self._add_batch(
            sender,
            campaign=campaign,
            batch_number=number,
            count=count,
            recipients=pack_recipients(recipients),
            parts=part_counts,
            fingerprints=number_fingerprints(recipients.to),
            suppressed=b"".join(struct.pack(">HH", *item) for item in sorted(suppressed.items())),
        )
        if text(reply["status"]) not in {Status.STORED, Status.PRESENT}:
            raise SubmissionRefused(campaign, _refusal_in_words(reply, number=number, count=count))

    async def seal(
        self,
        campaign: CampaignId,
        sender: SenderId,
        *,
        total: int,
        batches: int,
        actor: str = "",
        refused: Mapping[str, int] = _NONE_REFUSED,
        announced: int | None = None,
    ) -> CampaignState:
        """Start the campaign, and return its state, because a person may have cancelled the campaign meanwhile.

        Args:
            campaign: The campaign.
            sender: The sender of the campaign.
            total: How many messages the producer counted.
            batches: How many batches the producer counted.
            actor: The person who submits, for the sender's trail; if empty, no entry is written.
            refused: How many rows of the recipients file were refused, by the reason; counted by the statistics.
            announced: How many messages the trail names, if the campaign belongs to one lane; by default *total*.

        Raises:
            SubmissionRefused: The ledger counted other totals.
        """
        trail = packed_entry(
            actor, TrailAction.SUBMITTED, campaign=campaign, detail=counted(announced or total, "message")
        )
        rows = [{"reason": reason, "rows": number} for reason, number in refused.items()]
        reply = await self._seal(sender, campaign=campaign, total=total, batches=batches, trail=trail, refused=rows)
        if text(reply["status"]) != Status.SEALED:
            raise SubmissionRefused(campaign, _refusal_in_words(reply))
        return CampaignState(text(reply["state"]))


def _joined(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


_REFUSALS = {
    Status.NO_CAMPAIGN: "the campaign does not exist",
    Status.SEALED: "the campaign is {state}",
    Status.GAP: "batch {number} cannot follow {batches} batches",
    Status.BAD_SIZE: "a batch of {count} messages where 1 to {batch_size} fit",
    Status.SHORT_BEFORE: "only the last batch may be short",
    Status.BAD_COUNT: "the ledger holds {total} messages in {batches} batches",
}


def _refusal_in_words(reply: Reply, **asked: int) -> str:
    """Return in words why a script refused a batch or a seal."""
    replied = {name: text(value) for name, value in reply.items()}
    return _REFUSALS[Status(replied["status"])].format(**asked, **replied)
