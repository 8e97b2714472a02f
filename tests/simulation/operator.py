"""The people of the simulation: they submit, pause, cancel and resolve, change rates and opt numbers out."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from redis.exceptions import OutOfMemoryError, RedisError

from tests.simulation.violation import Invariant, Violation
from tests.simulation.wire import SimulatedWire, connect
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import is_transient
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.lanes.plans import plans_of_lanes
from times_dispatch.ledger.lanes.split import lane_batches
from times_dispatch.ledger.model import CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.reports.report_backlog import unapplied_reports
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.sms.rules.send_window import SendWindow

if TYPE_CHECKING:
    from tests.simulation.world import World

MINUTE_MS = 60_000


class Submitted(NamedTuple):
    """A submitted campaign; for a sender with lanes, the campaign of one lane."""

    plan: Plan
    batch_size: int
    numbers: Sequence[int]
    """The phone number of row *i* is the first phone number plus the value at *i*."""

    @property
    def total(self) -> int:
        """The number of messages of the campaign."""
        return len(self.numbers)


class _Wanted(NamedTuple):
    """A campaign that a person wants to submit."""

    plan: Plan
    messages: int
    batch_size: int
    numbers_from: int


class Operator:
    """The commands of people and the answers that they got; each answer is a promise that later checks use."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.wire = SimulatedWire(world.server, world.random)
        self._redis = redis = connect(self.wire)
        self.far_wire = SimulatedWire(world.server, world.random)
        """The wire over which the person who resolves doubt reaches the server."""
        self._far_redis = connect(self.far_wire)
        self._far_control = Control(self._far_redis)
        self.control, self.queries, self._opt_outs = Control(redis), Queries(redis), OptOuts(redis)
        self._submissions = Submissions(redis)
        self._wanted: dict[CampaignId, _Wanted] = {}
        self.submitted: dict[CampaignId, Submitted] = {}
        self.sealed: dict[CampaignId, float] = {}
        """For each campaign, the moment at which its submit returned."""
        self.paused: dict[CampaignId, float] = {}
        """For each paused or cancelled campaign, the moment at which the command returned."""
        self.paused_senders: dict[str, float] = {}
        self._resuming: Counter[str] = Counter()
        """How many people are resuming each campaign or sender; a pause meanwhile may be undone."""
        self._changing: set[str] = set()
        """Senders whose rate is changed for a while."""
        self.opted_out: dict[str, float] = {}
        """For each number on the opt-out list, the moment at which the command returned."""
        self.resolved: Counter[CampaignId] = Counter()
        """How many times a person began to resend messages in doubt."""
        self.resolved_as_sent: set[CampaignId] = set()
        """Campaigns whose messages in doubt a person resolved as sent."""
        self.budgets: dict[CampaignId, int] = {}
        """The highest budget that each campaign has had."""
        self.rates: dict[str, float] = {name: s.rate_per_s for name, s in world.settings.senders.items()}
        """The highest rate of each sender that may be in force now; 0 means no limit."""

    async def submit(
        self, sender: str, messages: int, *, batch_size: int = 100, numbers_from: int | None = None, **changes: Any
    ) -> CampaignId:
        """Submit a campaign; repeat the whole submit while the ledger is away, until the campaign is sealed.

        For a sender with lanes, the campaign of the first lane is returned.
        """
        campaign = CampaignId(f"{len(self._wanted):08}")
        chain = self._world.settings.senders[sender].chain
        fields: dict[str, Any] = {
            "name": f"campaign {campaign}",
            "sender": SenderId(sender),
            "provider": chain[0],
            "fallbacks": list(chain[1:]),
            "template": "greeting",
            "content_id": "1107160000000000001",
            "text": "Dear {#var#}",
            "category": "service",
            "valid_until_ms": self._world.now_ms() + 6 * 60 * MINUTE_MS,
        }
        plan = Plan(**{**fields, **changes})
        first = numbers_from if numbers_from is not None else len(self._wanted) * 100_000
        self._wanted[campaign] = _Wanted(plan, messages, batch_size, first)
        await self._seal(campaign)
        return campaign

    async def _seal(self, campaign: CampaignId) -> None:
        while True:
            try:
                await self._submit_lanes(campaign)
            except RedisError as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(1)
            else:
                return

    async def _submit_lanes(self, campaign: CampaignId) -> None:
        """Submit a campaign as ``producers.submit`` does: the batches of all lanes are stored before the first seal."""
        wanted = self._wanted[campaign]
        plan, size, header = wanted.plan, wanted.batch_size, wanted.plan.sender
        settings, ids = self._world.settings.senders[header], count(1)
        await self._submissions.claim(campaign, header, campaign)
        plans = await plans_of_lanes(
            self._redis,
            campaign,
            campaign,
            plan,
            lanes=settings.lanes,
            max_parts_per_day=0,
            new_id=lambda: f"{campaign[2:]}l{next(ids)}",
        )
        lanes, numbers = list(plans), [list[int]() for _ in plans]
        batches = list(lane_batches(_rows(wanted), lanes=len(lanes), size=size))
        for batch in batches:
            numbers[batch.lane] += [line - 2 + wanted.numbers_from for line in batch.recipients.lines]
        for lane, of_lane in enumerate(lanes):
            self.submitted[of_lane] = Submitted(plans[of_lane], size, numbers[lane])
            self.budgets.setdefault(of_lane, plan.max_parts)
        states = [(await self._submissions.begin(each, plans[each], batch_size=size)).state for each in lanes]
        for lane, number, recipients in batches:
            if states[lane] is CampaignState.SUBMITTING:
                await self._submissions.add_batch(lanes[lane], plans[lanes[lane]].sender, number, recipients)
        if settings.lanes > 1:
            await self.control.configure_rate(header, settings.rate_per_s, lanes=settings.lanes)
        for lane, of_lane in enumerate(lanes):
            if states[lane] is CampaignState.SUBMITTING:  # otherwise the answer to an earlier seal was lost
                total, stored = len(numbers[lane]), sum(batch.lane == lane for batch in batches)
                await self._submissions.seal(of_lane, plans[of_lane].sender, total=total, batches=stored)
            self.sealed.setdefault(of_lane, self._world.loop.time())

    def _lanes(self, campaign: CampaignId) -> list[CampaignId]:
        """Return the campaigns of all lanes, given the campaign of one lane; without lanes, the campaign itself."""
        return self.submitted[campaign].plan.lane_campaigns or [campaign]

    def forget(self, since_s: float) -> None:
        """Remove the promises since a moment that the server forgot, and submit lost campaigns again."""
        promised: list[dict[Any, float]] = [self.paused, self.paused_senders, self.opted_out]
        for promises in promised:
            for name in [name for name, at_s in promises.items() if at_s >= since_s]:
                del promises[name]
        lost = [campaign for campaign, at_s in self.sealed.items() if at_s >= since_s]
        for campaign in dict.fromkeys(self._lanes(campaign)[0] for campaign in lost):
            self._world.loop.create_task(self._seal(campaign))
        for campaign in lost:
            del self.sealed[campaign]

    async def pause_and_resume(self, campaign: CampaignId, *, for_s: float) -> None:
        """Pause a campaign, and resume it after a while."""
        sender = self.submitted[campaign].plan.sender
        try:
            changed, _ = await self.control.campaign(
                sender, campaign, ControlAction.PAUSE, reason="the operator said so"
            )
        except RedisError:
            changed = False
        if changed and not self._resuming[campaign]:
            self.paused |= dict.fromkeys(self._lanes(campaign), self._world.loop.time())
        await asyncio.sleep(for_s)
        await self.resume(campaign)

    async def pause_while_full(self, campaign: CampaignId) -> None:
        """Pause a campaign for a while in a full server; a pause must not need memory."""
        sender = self.submitted[campaign].plan.sender
        try:
            changed, _ = await self.control.campaign(
                sender, campaign, ControlAction.PAUSE, reason="the operator said so"
            )
        except OutOfMemoryError as error:
            raise Violation(Invariant.FULL, f"{campaign} cannot be paused: {error}") from error
        except RedisError:
            changed = False
        if changed and not self._resuming[campaign]:
            self.paused |= dict.fromkeys(self._lanes(campaign), self._world.loop.time())
        await asyncio.sleep(2)
        await self.resume(campaign)

    def with_doubt(self) -> list[CampaignId]:
        """Return the campaigns with messages in doubt."""
        campaigns = list(self.sealed)
        keys = [f"{hash_tag(self.submitted[campaign].plan.sender)}:c:{campaign}" for campaign in campaigns]
        counts = self._world.server.peek([("HGET", key, MessageState.IN_DOUBT.value) for key in keys])
        return [campaign for campaign, count in zip(campaigns, counts, strict=True) if int(count or 0)]

    async def resume(self, campaign: CampaignId) -> None:
        """Resume a campaign that a person or a brake stopped."""
        lanes = self._lanes(campaign)
        for lane in lanes:
            self.paused.pop(lane, None)
        self._resuming.update(lanes)
        await self.persistently(
            lambda: self.control.campaign(self.submitted[campaign].plan.sender, campaign, ControlAction.RESUME)
        )
        self._resuming.subtract(lanes)

    async def cancel(self, campaign: CampaignId) -> None:
        """Cancel a campaign; from now on none of its messages may be sent."""
        sender = self.submitted[campaign].plan.sender
        await self.persistently(lambda: self.control.campaign(sender, campaign, ControlAction.CANCEL, reason="no more"))
        self.paused |= dict.fromkeys(self._lanes(campaign), self._world.loop.time())

    async def pause_sender(self, sender: str, *, for_s: float) -> None:
        """Pause a sender, and resume it after a while."""
        await self.persistently(lambda: self.control.pause_sender(SenderId(sender)))
        if not self._resuming[sender]:
            self.paused_senders[sender] = self._world.loop.time()
        await asyncio.sleep(for_s)
        await self.resume_sender(sender)

    async def resume_sender(self, sender: str) -> None:
        """End the pause, the brakes and the back-offs of a sender."""
        self.paused_senders.pop(sender, None)
        self._resuming[sender] += 1
        await self.persistently(lambda: self.control.resume_sender(SenderId(sender)))
        self._resuming[sender] -= 1

    async def change_rate(self, sender: str, rate_per_s: float, *, for_s: float) -> None:
        """Change the rate of a sender for a while, unless another person has just changed it."""
        if sender in self._changing:
            return
        self._changing.add(sender)
        for rate in (rate_per_s, self._world.settings.senders[sender].rate_per_s):
            before = self.rates[sender]
            self.rates[sender] = max(before, rate) if before and rate else 0.0
            await self.persistently(lambda rate=rate: self.control.set_rate(SenderId(sender), rate))  # type: ignore[misc]
            await asyncio.sleep(2)
            self.rates[sender] = rate
            await asyncio.sleep(for_s)
        self._changing.discard(sender)

    async def raise_budget(self, campaign: CampaignId) -> None:
        """Raise the budget of a campaign to its cost, and resume the campaign."""
        self.budgets[campaign] = 0
        sender = self.submitted[campaign].plan.sender
        await self.persistently(lambda: self.control.set_budget(sender, campaign, 0))

    async def opt_out(self, number: str) -> None:
        """Put a number on the opt-out list."""
        await self.persistently(lambda: self._opt_outs.add([number]))
        self.opted_out[number] = self._world.loop.time()

    async def resolve(self, campaign: CampaignId, how: Literal["sent", "resend"]) -> None:
        """Decide about messages in doubt; a person who gets no answer does not repeat the command."""
        with suppress(RedisError):
            if await unapplied_reports(self._far_redis):  # the command would refuse this case too
                return
            if how == "resend":
                self.resolved.update(self._lanes(campaign))
            else:
                self.resolved_as_sent.update(self._lanes(campaign))
            await self._far_control.resolve(self.submitted[campaign].plan.sender, campaign, how)

    async def persistently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Repeat a call until the ledger answers."""
        while True:
            try:
                return await call()
            except RedisError as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(1)

    def hours_of(self, plan: Plan) -> SendWindow | None:
        """Return the send window of a campaign, if the campaign has one."""
        if plan.send_from_min == plan.send_until_min == 0:
            return None
        return SendWindow(plan.send_from_min, plan.send_until_min, plan.zone)


def _rows(wanted: _Wanted) -> Iterator[Recipients]:
    """Yield the rows of a campaign in the form in which a producer reads them from a file."""
    for first in range(0, wanted.messages, wanted.batch_size):
        rows = range(first, min(first + wanted.batch_size, wanted.messages))
        yield Recipients(
            first,
            [f"91{9_000_000_000 + wanted.numbers_from + row}" for row in rows],
            [row + 2 for row in rows],
            [[f"name {row}" for row in rows]],
            [1] * len(rows),
        )
