"""The course of a simulation: a storm of faults and campaigns, a time without faults, and quiet hours.

In the quiet hours validities end, reports arrive days late, start times and send windows begin, and reconcilers may be
away for a night. Beat starts upkeep only when something is due, so that the simulation of hours is fast.
"""

import asyncio
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tests.simulation.calm import Calm
from tests.simulation.exercises import Exercises
from tests.simulation.faults import SimulatedFaults
from tests.simulation.invariants import PushChecks
from tests.simulation.ledger_checks import LedgerChecks, Seen
from tests.simulation.operator import MINUTE_MS
from tests.simulation.violation import Invariant, Violation
from times_dispatch.ledger.keys import REPORTS
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.model import CampaignId, RetryRule

if TYPE_CHECKING:
    from tests.simulation.world import World

HEALS_WITHIN_S = 1_800.0
"""Seconds after the last fault within which every message that may be sent must be sent."""
PEOPLE = 3
"""The number of people who give commands, each person one command after another."""
SECOND_TRIES = RetryRule(codes=[910], after_s=[60, 600], at_most=2)
"""The rule for second tries of some campaigns; 910 is the code of all failed reports in the simulation."""
MAX_S = 100 * 3_600.0
"""Seconds within which every report has arrived and every wait for a report is over."""

SHOWN = 10
"""How many campaigns are named when a run has used its CPU time."""


class Story:
    """Injects the events of one world, and checks the world after every step."""

    def __init__(
        self,
        world: "World",
        *,
        storm_s: float,
        night_s: float | None,
        faults: list[str] | None = None,
        exercises: list[str] | None = None,
    ) -> None:
        """Make a story.

        Args:
            world: the world.
            storm_s: how long faults are injected, in virtual seconds.
            night_s: the shortest duration of the quiet hours, in virtual seconds; None for no quiet hours.
            faults: the names of the faults to inject; None for all faults.
            exercises: the names of the exercises to hold instead of a storm; None for a storm.
        """
        self._world = world
        self._exercises = exercises
        self._storm_s = storm_s
        self._night_s = night_s
        self.faults = SimulatedFaults(world, mean_gap_s=10.0 if faults is None else 5.0)
        self._calm = Calm(world, self.faults) if not faults else None
        if faults is not None:
            self.faults.kinds = [kind for kind in self.faults.kinds if kind.__name__ in faults]
        self._pushes = PushChecks(world)
        self._ledger = LedgerChecks(world)
        self.checks = 0
        self.quiet_s = 0.0
        self._part = "the start"
        self._tasks: list[asyncio.Task[None]] = []

    async def tell(self) -> None:
        """Run the whole story; raise ``Violation``."""
        world = self._world
        world.start()
        ends_s = world.loop.time() + self._storm_s
        self._part = "the storm"
        self._tasks = self._begin(ends_s)
        while world.loop.time() < ends_s or not all(task.done() for task in self._tasks):
            await self._step(1)
            for task in self._tasks:
                if task.done():
                    task.result()
        world.heal()
        self._part = "the recovery"
        await self._heal()
        if self._night_s is not None:
            self._part = "the quiet hours"
            await self._quiet_hours(self._night_s)
        self._part = "the wait for stored reports"
        await self._apply_reports()
        self._ledger.check_end()

    def describe(self) -> str:
        """Return which part of the story runs, and which campaigns have not ended; ``tell`` cannot go on after this."""
        lines = [f"It was in {self._part}; the tasks of the story that have not ended: {self._tasks_at_work()}"]
        try:
            self._world.server.reconnect()
            seen = self._ledger.look()
        except OSError as error:
            return f"{lines[0]}\nThe server does not answer: {error}"
        going_on = [(campaign, of) for campaign, of in seen.items() if of.state not in {"finished", "cancelled"}]
        for campaign, of in going_on[:SHOWN]:
            lines.append(f"{campaign} is {of.state}: {of.unsent} unsent{f', {of.reason}' if of.reason else ''}")
        if len(going_on) > SHOWN:
            lines.append(f"and {len(going_on) - SHOWN} more campaigns")
        return "\n".join(lines)

    def _tasks_at_work(self) -> str:
        names = [getattr(task.get_coro(), "__qualname__", "") for task in self._tasks if not task.done()]
        return ", ".join(names) or "none"

    def _begin(self, ends_s: float) -> list[asyncio.Task[None]]:
        if self._exercises:
            exercises = Exercises(self._world, Calm(self._world, self.faults))
            return [asyncio.create_task(exercises.hold(self._exercises))]
        return [
            asyncio.create_task(self._troubles(ends_s)),
            asyncio.create_task(self._campaigns(ends_s)),
            *(asyncio.create_task(self._commands(ends_s)) for _ in range(PEOPLE)),
        ]

    async def _troubles(self, ends_s: float) -> None:
        """Inject faults, two at a time; after each spell of faults there is a calm with an exercise."""
        world = self._world
        while world.loop.time() < ends_s:
            spell_s = world.random.uniform(40, 100) if self._calm else self._storm_s
            until_s = min(ends_s, world.loop.time() + spell_s)
            await asyncio.gather(*(self.faults.run(until_s) for _ in range(2 if self.faults.kinds else 0)))
            if self._calm:
                await self._calm.hold()

    async def _step(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.checks += 1
        world = self._world
        self._pushes.check()
        self._ledger.check(is_calm=world.calm_since_s() < world.loop.time() and not world.is_quiet)
        if world.unexpected:
            raise Violation(Invariant.ERROR, world.unexpected[0])

    async def _heal(self) -> None:
        """End all faults, and wait until no message is left that may be sent now."""
        world = self._world
        for sender in world.settings.senders:
            await world.operator.resume_sender(sender)
        until_s = world.loop.time() + HEALS_WITHIN_S
        while waiting := [campaign for campaign, seen in self._ledger.look().items() if self._may_go(campaign, seen)]:
            for campaign in waiting:
                await self._resume_if_held(campaign)
            if world.loop.time() > until_s:
                seen = self._ledger.look()[waiting[0]]
                raise Violation(
                    Invariant.UNFINISHED, f"{waiting[0]} is {seen.state}: {seen.unsent} unsent, {seen.reason}"
                )
            await self._step(1)

    async def _apply_reports(self) -> None:
        """Wait until every stored report is applied, because only then must the records agree with the books."""
        world = self._world
        until_s = world.loop.time() + HEALS_WITHIN_S
        while stored := world.server.peek([("XLEN", REPORTS)])[0]:
            if world.loop.time() > until_s:
                raise Violation(Invariant.UNFINISHED, f"{stored} posts of reports are stored and never applied")
            await self._step(1)

    def _may_go(self, campaign: CampaignId, seen: Seen) -> bool:
        plan, now_ms = self._world.operator.submitted[campaign].plan, self._world.now_ms()
        capped = plan.sender in self._world.caps
        return bool(
            seen.unsent
            and seen.number("start_ms") <= now_ms
            and not seen.number("send_window_closes_ms")
            and not capped
            and seen.number("until_ms") > now_ms
        )

    async def _resume_if_held(self, campaign: CampaignId) -> None:
        seen = self._ledger.look()[campaign]
        if seen.state in {"paused", "braked"}:
            if "budget" in seen.reason:
                await self._world.operator.raise_budget(campaign)
            await self._world.operator.resume(campaign)

    async def _quiet_hours(self, least_s: float) -> None:
        """Let hours pass until every campaign has ended and every report has been posted."""
        world = self._world
        began_s = world.loop.time()
        asleep = world.random.random() < 0.5
        if asleep:  # reconcilers may be away for a night in which validities end
            for reconciler in world.reconcilers:
                reconciler.process.freeze()
        world.set_quiet(is_quiet=True)
        while world.loop.time() < began_s + MAX_S:
            in_s = world.next_due_s()
            await self._step(1.0 if in_s < 1 else min(in_s, 300.0))
            if asleep and world.loop.time() > began_s + 9 * 3_600:
                asleep = False
                for reconciler in world.reconcilers:
                    reconciler.process.thaw()
            seen = self._ledger.look()
            for campaign, of_campaign in seen.items():
                if of_campaign.state in {"paused", "braked"} and of_campaign.unsent:
                    await self._resume_if_held(campaign)
            is_over = all(of_campaign.state in {"finished", "cancelled"} for of_campaign in seen.values())
            is_settled = not any(of.counts[b"a"] + of.counts[b"i"] for of in seen.values())
            reports_out = any(provider.has_reports for provider in world.providers.values())
            if not asleep and is_over and is_settled and not reports_out and world.loop.time() > began_s + least_s:
                break
        else:
            held = [
                campaign for campaign, of in self._ledger.look().items() if of.state not in {"finished", "cancelled"}
            ]
            if held:
                raise Violation(Invariant.UNFINISHED, f"{len(held)} campaigns never came to an end, first {held[0]}")
        self.quiet_s = world.loop.time() - began_s

    async def _campaigns(self, ends_s: float) -> None:
        """Submit campaigns of all kinds, one after another."""
        world, random = self._world, self._world.random
        while world.loop.time() < ends_s:
            sender = random.choice(list(world.settings.senders))
            rate, lanes = world.settings.senders[sender].rate_per_s, world.settings.senders[sender].lanes
            messages = min(random.choice([1, 7, 60, 200, 500]), int((rate or 100) * 30))
            now_ms = world.now_ms()
            valid_ms = random.choice([10, 60, 300, 24 * 60]) * MINUTE_MS
            changes: dict[str, object] = {
                "in_doubt": random.choice(["give_up", "resend"]),
                "rate_per_s": random.choice([0.0, 0.0, 0.0, 5.0 if lanes == 1 else 90.0]),
                "report_wait_s": random.choice([3_600, 72 * 3_600]),
                "max_parts": random.choice([0, 0, 0, messages // 2 if lanes == 1 else 0]),
                "valid_until_ms": now_ms + valid_ms,
                "urgent": random.random() < 0.1,
                "retry": random.choice([None, None, SECOND_TRIES]),
            }
            kind = random.random()
            if kind < 0.15:
                changes["start_at_ms"] = now_ms + random.choice([1, 20, 120]) * MINUTE_MS
                changes["valid_until_ms"] = now_ms + 150 * MINUTE_MS + valid_ms
            elif kind < 0.25:
                changes |= {"send_from_min": 600, "send_until_min": 1_260, "valid_until_ms": now_ms + 30 * 3_600_000}
            numbers_from = 0 if sender in world.repeat_after_s else None
            await world.operator.submit(
                sender, messages, batch_size=random.choice([20, 100, 500]), numbers_from=numbers_from, **changes
            )
            await asyncio.sleep(random.expovariate(1 / 15))

    async def _commands(self, ends_s: float) -> None:
        """Let a person give one command after another."""
        world, random, operator = self._world, self._world.random, self._world.operator
        while world.loop.time() < ends_s:
            await asyncio.sleep(random.expovariate(1 / 10))
            if not operator.sealed:
                continue
            at_work = [campaign for campaign, seen in self._ledger.look().items() if seen.unsent]
            lately = {begun.row[0] for begun in world.books.begun[-100:] if begun.at_s > world.loop.time() - 5}
            pushed = [campaign for campaign in at_work if campaign in lately]
            campaign = random.choice(pushed or at_work or list(operator.sealed)[-6:])
            sender = header_of(operator.submitted[campaign].plan.sender)
            rate = world.settings.senders[sender].rate_per_s
            match random.choice(["pause", "pause", "cancel", "resolve", "rate", "pause sender", "opt out", "resume"]):
                case "pause":
                    await operator.pause_and_resume(campaign, for_s=random.uniform(1, 40))
                case "cancel" if random.random() < 0.3:
                    await operator.cancel(campaign)
                case "resolve":
                    await operator.resolve(campaign, random.choice(["sent", "resend"]))
                case "rate" if rate:
                    await operator.change_rate(sender, random.choice([rate / 2, rate * 2]), for_s=20)
                case "pause sender":
                    await operator.pause_sender(sender, for_s=random.uniform(1, 30))
                case "opt out" if operator.submitted[campaign].total:
                    submitted = operator.submitted[campaign]
                    number = 9_000_000_000 + random.choice(submitted.numbers)
                    await operator.opt_out(f"91{number}")
                case "resume":
                    try:
                        await self._resume_if_held(campaign)
                    except RedisError:
                        continue
