"""Resends: a new campaign of chosen messages of an earlier campaign, read from the ledger batch by batch.

Each resend gets its id from its number among the resends of the campaign, so that a repeated command finishes the same
resend after a crash. Stored batches are not changed; the command goes on after the last stored message.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from redis.asyncio import Redis

from producers.campaign.file import same_but_for_times
from producers.errors import CommandFailed, InputInvalid
from producers.export.rows import RowFilter
from producers.line_set import LineSet
from producers.memory_check import MemoryCheck
from producers.preflight.ledger_snapshot import sender_stop_reason
from producers.preflight.suppressions import SuppressionCounter, Suppressions
from producers.resend.chosen import ChosenMessages
from producers.resend.parent import resendable, was_never_sent
from producers.resend.storing import Progress, ResendStore
from producers.submit import BATCH_SIZE, apply_limits, brake_rule, notify_workers, with_numbered_links
from times_dispatch.ledger.batch_columns import read_batches
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.lanes.plans import plans_of_lanes
from times_dispatch.ledger.lanes.whole import whole_state
from times_dispatch.ledger.model import CampaignId, CampaignView, Plan
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Begun, Submissions
from times_dispatch.ledger.trail import PROGRAM, TrailAction, packed_entry
from times_dispatch.provider.correlation_ids import new_campaign_id
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import max_parts_per_day, price
from times_dispatch.sms.rules.send_window import SendWindow

RESENDABLE = frozenset(
    {
        MessageState.FAILED,
        MessageState.REJECTED,
        MessageState.EXPIRED,
        MessageState.CANCELLED,
        MessageState.NO_REPORT,
    }
)
"""The states of messages that can be chosen by name."""
DOUBTFUL = frozenset({MessageState.IN_DOUBT, MessageState.GIVEN_UP})
"""The states of messages that may have been sent; only an explicit option chooses them."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages of a campaign are sent once more."""

    states: frozenset[MessageState]
    codes: frozenset[int] = frozenset()
    """Only messages with one of these codes; empty for all codes."""
    again: bool = False
    """Whether messages of earlier resends are also chosen."""
    salt: str = ""
    """Identifies a resend with ``again``, so that a repeated command makes no second campaign."""

    @property
    def words(self) -> str:
        """Return the choice in words; equal choices have equal words."""
        words = ", ".join(sorted(state.label for state in self.states))
        if self.codes:
            words += f"; codes {', '.join(map(str, sorted(self.codes)))}"
        return f"{words}; again" if self.again else words


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The effect that a resend would have now."""

    parent: CampaignView
    messages: int = 0
    parts: int = 0
    resent_before: int = 0
    """How many chosen messages are left out, because an earlier resend contains them."""
    suppressed: Suppressions = Suppressions()
    """How many of the messages workers would suppress now, by reason."""
    unfinished: CampaignView | None = None
    """The unfinished resend of a command that broke off; the same command finishes the resend."""
    done: CampaignView | None = None
    """The finished resend of an earlier command with the same salt."""
    price: Decimal | None = None
    """The price of one SMS part in rupees; None if the settings have none."""
    stop_reason: str = ""
    """Why the sender sends nothing now; empty if the sender may send."""


class ResendResult(msgspec.Struct, frozen=True, kw_only=True):
    """The campaign that a resend made."""

    campaign: CampaignId
    plan: Plan
    state: CampaignState
    messages: int = 0
    already_submitted: bool = False
    warning: str = ""


class Resender:
    """Makes resends of one campaign.

    Args:
        redis: the ledger.
        settings: the settings, with the limits and the price of the campaign's sender.
        campaign: the campaign whose messages are sent once more.
        choice: which messages of the campaign are sent.
    """

    def __init__(self, redis: Redis, settings: Settings, campaign: CampaignId, choice: Choice) -> None:
        self._redis = redis
        self._settings = settings
        self._campaign = campaign
        self._choice = choice
        self._filter = RowFilter(choice.states, choice.codes)
        self._submissions = Submissions(redis)
        self._queries = Queries(redis)

    async def survey(self, *, after_s: float = 0, now: datetime | None = None) -> Survey:
        """Count the messages that the resend would have, and write nothing; raise InputInvalid if there can be none.

        Args:
            after_s: seconds until the resend begins to send.
            now: the moment of the resend.
        """
        parent = await resendable(self._redis, self._settings, self._campaign, states=self._choice.states)
        children = await self._children(parent)
        if self._choice.salt:
            known = await self._submissions.find(self._fingerprint(len(children)))
            if done := next((child for child in children if child.id == known and child.sealed_ms), None):
                return Survey(parent=parent, done=done)
        unfinished = self._unfinished(children)
        excluded = await self._lines_before(children, unfinished)
        chosen = await ChosenMessages.of_ledger(self._redis, self._filter)
        now = now or datetime.now(UTC)
        plan = self._plan(parent, after_s, now)
        suppressed = SuppressionCounter(
            self._redis, self._settings, plan, at_s=plan.start_at_ms / 1000 or now.timestamp()
        )
        messages = parts = before = 0
        async for batch in read_batches(self._redis, parent):
            positions = chosen.positions(batch)
            taken = [position for position in positions if batch.recipients.lines[position] not in excluded]
            before += len(positions) - len(taken)
            messages += len(taken)
            parts += sum(batch.recipients.parts[position] for position in taken)
            if taken:
                await suppressed.add(batch.recipients, taken)
        return Survey(
            parent=parent,
            messages=messages,
            parts=parts,
            resent_before=before,
            suppressed=suppressed.counts,
            unfinished=unfinished,
            price=self._price(parent.plan),
            stop_reason=sender_stop_reason(await self._queries.sender(plan.sender), plan),
        )

    async def submit(
        self,
        *,
        after_s: float = 0,
        batch_size: int = BATCH_SIZE,
        now: datetime | None = None,
        progress: Progress | None = None,
        actor: str = PROGRAM,
    ) -> ResendResult:
        """Make the resend, finish a resend that broke off, or find that an equal command has made the resend.

        Args:
            after_s: seconds until the resend begins to send.
            batch_size: messages in a batch; ignored if a resend that broke off has chosen a size.
            now: the moment of the resend.
            progress: called after each batch.
            actor: the person who resends, for the sender's trail.

        Raises:
            InputInvalid: there can be no resend, or another resend of the campaign is being submitted.
            CommandFailed: no message is left, two commands wrote at once, or the resend does not fit into Redis.
            IdKeyRefused: the settings have an id key that is not the ledger's.
        """
        if self._settings.id_key:
            await IdKeyGuard(self._redis, self._settings.id_key, self._settings.old_id_key).check_known()
        parent = await resendable(self._redis, self._settings, self._campaign, states=self._choice.states)
        children = await self._children(parent)
        unfinished = self._unfinished(children)
        excluded = await self._lines_before(children, unfinished)
        chosen = await ChosenMessages.of_ledger(self._redis, self._filter)
        memory_check = MemoryCheck(self._redis, max_share=self._settings.ledger.max_memory_share)
        plan = self._plan(parent, after_s, now or datetime.now(UTC))
        if unfinished:
            campaign = unfinished.id
        else:
            if not (self._choice.salt or await self._has_any(parent, chosen, excluded)):
                raise CommandFailed(f"campaign {parent.id}: no message is left to resend")
            await memory_check.before()
            campaign = await self._submissions.claim(
                self._fingerprint(len(children)), plan.sender, CampaignId(new_campaign_id())
            )
        plan = await with_numbered_links(self._redis, campaign, plan, self._settings)
        begun_lanes = await self._begin(campaign, plan, batch_size, actor)
        states = [begun.state for begun in begun_lanes.values()]
        result = ResendResult(campaign=campaign, plan=begun_lanes[campaign].plan, state=whole_state(states))
        if result.state is not CampaignState.SUBMITTING:
            if result.plan.resend_choice != plan.resend_choice:
                raise CommandFailed(
                    f"campaign {parent.id}: another command has resent other messages meanwhile, as {campaign} "
                    f"({result.plan.resend_choice}); run this command again"
                )
            return msgspec.structs.replace(result, already_submitted=True)
        lanes = await ResendStore(
            self._redis, parent, chosen, excluded, memory_check=memory_check, progress=progress
        ).store(begun_lanes)
        total = sum(lane.messages for lane in lanes.values())
        await apply_limits(self._redis, plan.sender, self._settings)
        states = [
            await self._submissions.seal(
                of_lane,
                begun_lanes[of_lane].plan.sender,
                total=lane.messages,
                batches=lane.batches,
                actor=actor if of_lane == campaign else "",
                announced=total,
            )
            for of_lane, lane in lanes.items()
        ]
        warning = await notify_workers(self._redis, self._settings, plan.sender)
        return msgspec.structs.replace(result, state=whole_state(states), messages=total, warning=warning)

    async def _children(self, parent: CampaignView) -> list[CampaignView]:
        """Return the resends of a campaign; raise InputInvalid if the messages of a resend are unknown."""
        children = await self._queries.of_sender(parent.plan.sender, parent.resends)
        if gone := set(parent.resends) - {child.id for child in children}:
            raise InputInvalid(
                f"campaign {parent.id}: its resend {min(gone)} is archived, so its messages are not known here; "
                "submit the rows of `dispatch report` that are to be sent once more"
            )
        if lacking := next((child.id for child in children if _lacks_lanes(child)), None):
            raise InputInvalid(
                f"campaign {parent.id}: a lane of its resend {lacking} is not in Redis any more, so not all messages "
                "of the resend are known; submit the rows of `dispatch report` that are to be sent once more"
            )
        return children

    def _unfinished(self, children: Sequence[CampaignView]) -> CampaignView | None:
        """Return the child that is still being submitted; raise InputInvalid if it has another choice of messages."""
        unfinished = next((child for child in children if child.state is CampaignState.SUBMITTING), None)
        if unfinished and unfinished.plan.resend_choice != self._choice.words:
            raise _another_is_unfinished(unfinished.id, unfinished.plan)
        return unfinished

    def _fingerprint(self, number: int) -> str:
        which = f"again {self._choice.salt}" if self._choice.salt else str(number)
        return hashlib.sha256(f"resend {self._campaign} {which}".encode()).hexdigest()

    async def _lines_before(self, children: Sequence[CampaignView], unfinished: CampaignView | None) -> LineSet:
        """Return the lines of the messages that earlier resends contain; with ``again``, return no line.

        A resend that was cancelled before any lane was sealed sent no message and does not count. It counts if it has
        resends itself, which earlier versions of this program allowed.
        """
        lines = LineSet()
        for child in children:
            does_not_count = was_never_sent(child) and not child.resends
            if self._choice.again or does_not_count or (unfinished and child.id == unfinished.id):
                continue
            async for batch in read_batches(self._redis, child):
                for line in batch.recipients.lines:
                    lines.add(line)
        return lines

    def _plan(self, parent: CampaignView, after_s: float, now: datetime) -> Plan:
        """Return the parent's plan with a new start, and a validity of the same length from this start."""
        plan = parent.plan
        validity = timedelta(milliseconds=plan.valid_until_ms - max(plan.start_at_ms, parent.created_ms))
        start = now + timedelta(seconds=after_s)
        opens = start
        if plan.send_until_min:
            opens = SendWindow(plan.send_from_min, plan.send_until_min, plan.zone).next_opening(start)
        return msgspec.structs.replace(
            plan,
            start_at_ms=_epoch_ms(opens) if opens > now else 0,
            valid_until_ms=_epoch_ms(opens + max(validity, timedelta(minutes=1))),
            resend_of=parent.id,
            resend_choice=self._choice.words,
            lane_campaigns=[],
        )

    async def _begin(self, campaign: CampaignId, plan: Plan, batch_size: int, actor: str) -> dict[CampaignId, Begun]:
        """Create the campaigns of all lanes; return what the ledger has stored of each campaign, by its id."""
        plans = await plans_of_lanes(
            self._redis,
            hashlib.sha256(f"resend as {campaign}".encode()).hexdigest(),
            campaign,
            plan,
            lanes=self._settings.senders[plan.sender].lanes,
            max_parts_per_day=max_parts_per_day(plan.sender, self._settings),
            new_id=new_campaign_id,
        )
        detail = f"{self._choice.words}, as {campaign}"
        trail = packed_entry(actor, TrailAction.RESENT, campaign=plan.resend_of, detail=detail)
        begun_lanes = dict[CampaignId, Begun]()
        for of_lane, lane_plan in plans.items():
            begun = await self._submissions.begin(
                of_lane,
                lane_plan,
                batch_size=batch_size,
                brake=brake_rule(self._settings),
                price_micros=int((self._price(plan) or 0) * 1_000_000),
                trail=trail if of_lane == campaign else "",
            )
            # Checked before the next lane: of two commands at once, the creator of the first lane creates all lanes.
            if begun.state is CampaignState.SUBMITTING and not same_but_for_times(lane_plan, begun.plan):
                raise _another_is_unfinished(campaign, begun.plan)
            begun_lanes[of_lane] = begun
        return begun_lanes

    def _price(self, plan: Plan) -> Decimal | None:
        """Return the price of one SMS part in rupees; None if the settings have none."""
        sender, categories = self._settings.senders[plan.sender], self._settings.categories
        return price(sender, next((name for name in categories if name == plan.category), sender.category), categories)

    async def _has_any(self, parent: CampaignView, chosen: ChosenMessages, excluded: LineSet) -> bool:
        async for batch in read_batches(self._redis, parent):
            if any(batch.recipients.lines[position] not in excluded for position in chosen.positions(batch)):
                return True
        return False


def _lacks_lanes(campaign: CampaignView) -> bool:
    """Return whether Redis lost a lane of a campaign: before the first lane is sealed, all lanes exist."""
    was_sealed = any(lane.sealed_ms for lane in campaign.lanes)
    return was_sealed and len(campaign.lanes) < len(campaign.plan.lane_campaigns)


def _another_is_unfinished(campaign: CampaignId, plan: Plan) -> InputInvalid:
    return InputInvalid(
        f"campaign {campaign}: the submit of this resend ({plan.resend_choice}) is unfinished; run its command again "
        f"with the same settings, or cancel it: dispatch cancel {campaign}"
    )


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
