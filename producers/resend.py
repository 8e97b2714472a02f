"""Resends: a new campaign of chosen messages of an earlier campaign, read from the ledger batch by batch.

Each resend gets its id from its number among the resends of the campaign, so that a command that is run again after a
crash finishes the same resend. Stored batches stay as they are; the rest follows after the last stored message.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from redis.asyncio import Redis

from producers.campaign.file import same_but_for_times
from producers.errors import CommandFailed, InputInvalid
from producers.export.rows import RowFilter
from producers.line_set import LineSet
from producers.memory_check import MemoryCheck
from producers.resend_parent import resendable
from producers.submit import BATCH_SIZE, apply_limits, brake_rule, notify_workers, with_numbered_links
from times_dispatch.ledger.batch_columns import read_batches
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.lanes.rows import joined, picked
from times_dispatch.ledger.model import CampaignId, CampaignView, Plan, Recipients
from times_dispatch.ledger.opt_outs import OptOuts
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Begun, Submissions
from times_dispatch.ledger.trail import PROGRAM, TrailAction, packed_entry
from times_dispatch.provider.correlation_ids import new_campaign_id
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import price
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
"""The states of messages that may have been sent; they are chosen on explicit demand only."""


Progress = Callable[[int], None]
"""Is called with the number of stored batches."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages of a campaign are sent once more."""

    states: frozenset[MessageState]
    codes: frozenset[int] = frozenset()
    """Only messages with one of these codes; empty for all codes."""
    again: bool = False
    """Whether messages that an earlier resend contains are taken too."""
    salt: str = ""
    """Tells a resend with ``again`` from the others, so that a repeated command makes no second campaign."""

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
    """Chosen messages that are left out, because an earlier resend contains them."""
    unfinished: CampaignView | None = None
    """The resend that a broken-off command left behind; the same command finishes it."""
    done: CampaignView | None = None
    """The resend that an earlier command with the same salt has submitted whole."""
    price: Decimal | None = None
    """The price of one SMS part in rupees; None if the settings have none."""


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
        settings: gives the limits and the price of the campaign's sender.
        campaign: the campaign whose messages are sent once more.
        choice: which of its messages.
    """

    def __init__(self, redis: Redis, settings: Settings, campaign: CampaignId, choice: Choice) -> None:
        self._redis = redis
        self._settings = settings
        self._campaign = campaign
        self._choice = choice
        self._filter = RowFilter(choice.states, choice.codes)
        self._submissions = Submissions(redis)
        self._queries = Queries(redis)

    async def survey(self) -> Survey:
        """Count the messages that would be sent, and write nothing; raise InputInvalid if there can be no resend."""
        parent = await resendable(self._redis, self._settings, self._campaign, states=self._choice.states)
        children = await self._children(parent)
        if self._choice.salt:
            known = await self._submissions.find(self._fingerprint(len(children)))
            if done := next((child for child in children if child.id == known and child.sealed_ms), None):
                return Survey(parent=parent, done=done)
        unfinished = self._unfinished(children)
        excluded = await self._lines_before(children, unfinished)
        messages = parts = before = 0
        async for batch in read_batches(self._redis, parent):
            for position in self._filter.positions(batch):
                if batch.recipients.lines[position] in excluded:
                    before += 1
                else:
                    messages, parts = messages + 1, parts + batch.recipients.parts[position]
        return Survey(
            parent=parent,
            messages=messages,
            parts=parts,
            resent_before=before,
            unfinished=unfinished,
            price=self._price(parent.plan),
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
            batch_size: messages in a batch; the size of a resend that broke off stays.
            now: the moment of the resend.
            progress: is called after each batch.
            actor: who resends, for the sender's trail.

        Raises:
            InputInvalid: there can be no resend, or another resend of the campaign is being submitted.
            CommandFailed: no message is left, two commands wrote at once, or the resend does not fit into Redis.
            IdKeyRefused: the settings have an id key, and it is not the ledger's.
        """
        if self._settings.id_key:
            await IdKeyGuard(self._redis, self._settings.id_key, self._settings.old_id_key).check_known()
        parent = await resendable(self._redis, self._settings, self._campaign, states=self._choice.states)
        children = await self._children(parent)
        unfinished = self._unfinished(children)
        excluded = await self._lines_before(children, unfinished)
        memory_check = MemoryCheck(self._redis, max_share=self._settings.ledger.max_memory_share)
        plan = self._plan(parent, after_s, now or datetime.now(UTC))
        if unfinished:
            campaign = unfinished.id
        else:
            if await self._first(parent, excluded) is None and not self._choice.salt:
                raise CommandFailed(f"campaign {parent.id}: no message is left to resend")
            await memory_check.before()
            campaign = await self._submissions.claim(
                self._fingerprint(len(children)), plan.sender, CampaignId(new_campaign_id())
            )
        plan = await with_numbered_links(self._redis, campaign, plan, self._settings)
        begun = await self._begin(campaign, plan, batch_size, actor)
        if begun.state is not CampaignState.SUBMITTING:
            return ResendResult(campaign=campaign, plan=begun.plan, state=begun.state, already_submitted=True)
        if not same_but_for_times(plan, begun.plan):
            raise _another_is_unfinished(campaign, begun.plan)
        total, batches = await self._store(
            parent, campaign, begun, excluded, memory_check=memory_check, progress=progress
        )
        await apply_limits(self._redis, plan.sender, self._settings)
        state = await self._submissions.seal(campaign, plan.sender, total=total, batches=batches, actor=actor)
        warning = await notify_workers(self._redis, self._settings, plan.sender)
        return ResendResult(campaign=campaign, plan=begun.plan, state=state, messages=total, warning=warning)

    async def _children(self, parent: CampaignView) -> list[CampaignView]:
        return await self._queries.of_sender(parent.plan.sender, parent.resends)

    def _unfinished(self, children: Sequence[CampaignView]) -> CampaignView | None:
        """Return the child that is still being submitted; raise InputInvalid if its choice is another one."""
        unfinished = next((child for child in children if child.state is CampaignState.SUBMITTING), None)
        if unfinished and unfinished.plan.resend_choice != self._choice.words:
            raise _another_is_unfinished(unfinished.id, unfinished.plan)
        return unfinished

    def _fingerprint(self, number: int) -> str:
        which = f"again {self._choice.salt}" if self._choice.salt else str(number)
        return hashlib.sha256(f"resend {self._campaign} {which}".encode()).hexdigest()

    async def _lines_before(self, children: Sequence[CampaignView], unfinished: CampaignView | None) -> LineSet:
        """Return the lines of the messages that earlier resends contain; none with ``again``.

        A resend that was cancelled before it was sealed sent nothing, and does not count.
        """
        lines = LineSet()
        for child in children:
            never_sent = child.state is CampaignState.CANCELLED and not child.sealed_ms
            if self._choice.again or never_sent or (unfinished and child.id == unfinished.id):
                continue
            async for batch in read_batches(self._redis, child):
                for line in batch.recipients.lines:
                    lines.add(line)
        return lines

    def _plan(self, parent: CampaignView, after_s: float, now: datetime) -> Plan:
        """Return the plan of the parent with its validity counted from a new start."""
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
        )

    async def _begin(self, campaign: CampaignId, plan: Plan, batch_size: int, actor: str) -> Begun:
        detail = f"{self._choice.words}, as {campaign}"
        return await self._submissions.begin(
            campaign,
            plan,
            batch_size=batch_size,
            brake=brake_rule(self._settings),
            price_micros=int((self._price(plan) or 0) * 1_000_000),
            trail=packed_entry(actor, TrailAction.RESENT, campaign=plan.resend_of, detail=detail),
        )

    def _price(self, plan: Plan) -> Decimal | None:
        """Return the price of one SMS part in rupees; None if the settings have none."""
        sender, categories = self._settings.senders[plan.sender], self._settings.categories
        return price(sender, next((name for name in categories if name == plan.category), sender.category), categories)

    async def _first(self, parent: CampaignView, excluded: LineSet) -> Recipients | None:
        async for rows, _ in self._chosen(parent, excluded, after_line=0):
            return rows
        return None

    async def _chosen(
        self, parent: CampaignView, excluded: LineSet, *, after_line: int
    ) -> AsyncIterator[tuple[Recipients, float]]:
        """Yield the chosen messages of each batch that has any, and the share of the parent that is read.

        Args:
            parent: the campaign whose messages are read.
            excluded: the lines of messages that are left out.
            after_line: all messages up to the message of this line are left out too; 0 leaves out none.
        """
        passed = not after_line
        async for batch in read_batches(self._redis, parent):
            rows, begin = batch.recipients, 0
            if not passed:
                if after_line not in rows.lines:
                    continue
                passed, begin = True, rows.lines.index(after_line) + 1
            positions = [
                position
                for position in self._filter.positions(batch)
                if position >= begin and rows.lines[position] not in excluded
            ]
            if positions:
                yield picked(rows, positions), (rows.first + len(rows.to)) / max(1, parent.total)

    async def _store(
        self,
        parent: CampaignView,
        campaign: CampaignId,
        begun: Begun,
        excluded: LineSet,
        *,
        memory_check: MemoryCheck,
        progress: Progress | None,
    ) -> tuple[int, int]:
        """Store the batches that are not stored yet; return how many messages and batches there are.

        Args:
            parent: the campaign whose messages are read.
            campaign: the resend.
            begun: what an earlier command has stored.
            excluded: the lines of messages that are left out.
            memory_check: refuses the resend if it does not fit.
            progress: is called after each batch.

        Raises:
            CommandFailed: no message is left, or two commands wrote at once.
        """
        size, number = begun.batch_size, begun.batches
        total, last_line = await self._stored(campaign)
        if total == number * size:  # otherwise the last batch is stored, because only the last batch may be short
            rest = None
            async for chosen, fraction in self._chosen(parent, excluded, after_line=last_line):
                rest = joined(rest, chosen) if rest else chosen
                while len(rest.to) >= size:
                    await self._add(campaign, begun, number, picked(rest, range(size)))
                    rest, number = picked(rest, range(size, len(rest.to))), number + 1
                    await memory_check.while_stored(
                        campaign, begun.plan.sender, stored=number, batch_size=size, fraction=fraction
                    )
                    if progress:
                        progress(number)
            if rest and rest.to:
                await self._add(campaign, begun, number, rest)
                number += 1
                if progress:
                    progress(number)
            total, _ = await self._stored(campaign)
        if not total:
            raise CommandFailed(
                f"campaign {campaign}: no message is left to resend; give it up: dispatch cancel {campaign}"
            )
        return total, number

    async def _add(self, campaign: CampaignId, begun: Begun, number: int, rows: Recipients) -> None:
        opt_outs = OptOuts(self._redis)
        on_list = [] if await opt_outs.is_empty() else await opt_outs.contains(rows.to)
        await self._submissions.add_batch(
            campaign,
            begun.plan.sender,
            number,
            msgspec.structs.replace(rows, first=number * begun.batch_size),
            opted_out=[index for index, is_on_list in enumerate(on_list) if is_on_list],
        )

    async def _stored(self, campaign: CampaignId) -> tuple[int, int]:
        """Return how many messages of a resend are stored, and the line of the last; each line must be there once."""
        lines, total, last_line = LineSet(), 0, 0
        async for batch in read_batches(self._redis, await self._queries.campaign(campaign)):
            for line in batch.recipients.lines:
                if not lines.add(line):
                    raise CommandFailed(
                        f"campaign {campaign}: two commands wrote this resend at once, and nothing of it is sent; "
                        f"give it up (dispatch cancel {campaign}) and resend again"
                    )
            total, last_line = total + len(batch.recipients.to), batch.recipients.lines[-1]
        return total, last_line


def _another_is_unfinished(campaign: CampaignId, plan: Plan) -> InputInvalid:
    return InputInvalid(
        f"campaign {campaign}: this resend ({plan.resend_choice}) is not submitted whole; run its command again with "
        f"the same settings, or give it up: dispatch cancel {campaign}"
    )


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
