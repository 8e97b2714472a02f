"""The people of the simulated world: they submit, pause, cancel and resolve, change rates and opt numbers out."""

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
from times_dispatch.ledger.opt_outs import OptOuts
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.report_backlog import unapplied_reports
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.sms.rules.send_window import SendWindow

if TYPE_CHECKING:
    from tests.simulation.world import World

MINUTE_MS = 60_000


class Submitted(NamedTuple):
    """A campaign as it was submitted; of a sender with lanes, the campaign of one lane."""

    plan: Plan
    batch_size: int
    numbers: Sequence[int]
    """Row *i* goes to the number that many after the first."""

    @property
    def total(self) -> int:
        """The messages of the campaign."""
        return len(self.numbers)


class _Wanted(NamedTuple):
    """A campaign that a person wants to submit."""

    plan: Plan
    messages: int
    batch_size: int
    numbers_from: int


class Operator:
    """What people do, and what they were told: an answer that came is a promise."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.wire = SimulatedWire(world.server, world.random)
        self._redis = redis = connect(self.wire)
        self.far_wire = SimulatedWire(world.server, world.random)
        """How the person who resolves doubt reaches the server."""
        self._far_redis = connect(self.far_wire)
        self._far_control = Control(self._far_redis)
        self.control, self.queries, self._opt_outs = Control(redis), Queries(redis), OptOuts(redis)
        self._submissions = Submissions(redis)
        self._wanted: dict[CampaignId, _Wanted] = {}
        self.submitted: dict[CampaignId, Submitted] = {}
        self.sealed: dict[CampaignId, float] = {}
        """Campaigns by the moment at which the submit returned."""
        self.paused: dict[CampaignId, float] = {}
        """Paused and cancelled campaigns, by the moment at which the command returned."""
        self.paused_senders: dict[str, float] = {}
        self._resuming: Counter[str] = Counter()
        """How many people are about to resume a campaign or a sender: what is paused meanwhile may go on."""
        self._changing: set[str] = set()
        """Senders that have another rate for a while."""
        self.opted_out: dict[str, float] = {}
        """Numbers by the moment at which the list had them."""
        self.resolved: Counter[CampaignId] = Counter()
        """How often a person began to resend what was in doubt."""
        self.resolved_as_sent: set[CampaignId] = set()
        """Campaigns of which a person said that what was in doubt was sent."""
        self.budgets: dict[CampaignId, int] = {}
        """The highest budget that a campaign had."""
        self.rates: dict[str, float] = {name: s.rate_per_s for name, s in world.settings.senders.items()}
        """The highest rate of each sender that may hold at this moment; 0 is no limit."""

    async def submit(
        self, sender: str, messages: int, *, batch_size: int = 100, numbers_from: int | None = None, **changes: Any
    ) -> CampaignId:
        """Submit a campaign, again from the start while the ledger is away, until it is sealed.

        Of a sender with lanes the campaign of the first lane is returned.
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
            if states[lane] is CampaignState.SUBMITTING:  # else the answer to an earlier seal was lost
                total, stored = len(numbers[lane]), sum(batch.lane == lane for batch in batches)
                await self._submissions.seal(of_lane, plans[of_lane].sender, total=total, batches=stored)
            self.sealed.setdefault(of_lane, self._world.loop.time())

    def _lanes(self, campaign: CampaignId) -> list[CampaignId]:
        """Return the campaigns of all lanes of which a campaign is that of one; without lanes the campaign itself."""
        return self.submitted[campaign].plan.lane_campaigns or [campaign]

    def forget(self, since_s: float) -> None:
        """Take back what was promised since a moment that the server forgot, and submit again what is lost."""
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
        """Pause a campaign in a full server, for a while; a pause needs no memory."""
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
        """Return the campaigns that have messages in doubt."""
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
        """Cancel a campaign for good."""
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
        """Lift the pause, the brakes and the backing off of a sender."""
        self.paused_senders.pop(sender, None)
        self._resuming[sender] += 1
        await self.persistently(lambda: self.control.resume_sender(SenderId(sender)))
        self._resuming[sender] -= 1

    async def change_rate(self, sender: str, rate_per_s: float, *, for_s: float) -> None:
        """Give a sender another rate for a while, unless somebody else has just done so."""
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
        """Let a campaign spend as much as it needs, and go on."""
        self.budgets[campaign] = 0
        sender = self.submitted[campaign].plan.sender
        await self.persistently(lambda: self.control.set_budget(sender, campaign, 0))

    async def opt_out(self, number: str) -> None:
        """Put a number on the opt-out list."""
        await self.persistently(lambda: self._opt_outs.add([number]))
        self.opted_out[number] = self._world.loop.time()

    async def resolve(self, campaign: CampaignId, how: Literal["sent", "resend"]) -> None:
        """Decide what is in doubt; a person who got no answer does not repeat the command."""
        with suppress(RedisError):
            if await unapplied_reports(self._far_redis):  # the command refuses as well
                return
            if how == "resend":
                self.resolved.update(self._lanes(campaign))
            else:
                self.resolved_as_sent.update(self._lanes(campaign))
            await self._far_control.resolve(self.submitted[campaign].plan.sender, campaign, how)

    async def persistently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Call until the ledger answers."""
        while True:
            try:
                return await call()
            except RedisError as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(1)

    def hours_of(self, plan: Plan) -> SendWindow | None:
        """Return the hours of the day of a campaign, if it has some."""
        if plan.send_from_min == plan.send_until_min == 0:
            return None
        return SendWindow(plan.send_from_min, plan.send_until_min, plan.zone)


def _rows(wanted: _Wanted) -> Iterator[Recipients]:
    """Yield the rows of a campaign as a producer reads them from a file."""
    for first in range(0, wanted.messages, wanted.batch_size):
        rows = range(first, min(first + wanted.batch_size, wanted.messages))
        yield Recipients(
            first,
            [f"91{9_000_000_000 + wanted.numbers_from + row}" for row in rows],
            [row + 2 for row in rows],
            [[f"name {row}" for row in rows]],
            [1] * len(rows),
        )
