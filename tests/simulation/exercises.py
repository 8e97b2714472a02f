"""Situations that are built step by step, each for one safeguard: an exercise fails without the safeguard.

No other fault occurs meanwhile, so that a missing safeguard is found at once and with every seed.
"""

import asyncio
import math
from bisect import bisect_left

from tests.simulation.clock_exercises import ClockExercises
from tests.simulation.exercise_steps import in_words
from tests.simulation.invariants import RATE_EXCESS, SECOND_S
from tests.simulation.provider import Behaviour
from tests.simulation.retry_exercises import RetryExercises
from tests.simulation.violation import Invariant, Violation
from tests.simulation.wire import NORMAL_ONE_WAY_S
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import MessageState

LEAST_SHARE = 0.8
"""The share of a sender's rate that healthy workers must use at least while another worker is cut off."""


class Exercises(ClockExercises, RetryExercises):
    """Each method except ``hold`` is an exercise; it returns when the situation is over, and raises ``Violation``."""

    async def hold(self, names: list[str]) -> None:
        """Hold exercises one after another."""
        await asyncio.sleep(2)  # the processes start
        for name in names:
            await getattr(self, name)()
            for provider in self._world.providers.values():
                provider.behaviour = Behaviour()
            await asyncio.sleep(5)

    async def large_block_after_many_campaigns(self) -> None:
        """Open the largest block of a sender without a limit, after many campaigns had the same text."""
        self._operator.rates["ONCEAA"] = 0.0
        await self._operator.control.set_rate(SenderId("ONCEAA"), 0.0)
        await self._calm.many_campaigns_of_one_text(campaigns=60)

    async def doubt_ends_while_reports_wait(self) -> None:
        """Let a validity end while no reconciler works and the reports that prove the pushes wait."""
        self._set_behaviour(hangs_up=1.0)
        for reconciler in self._world.reconcilers:
            reconciler.process.freeze()
        await self._operator.submit("FREEAA", 5, in_doubt="resend", valid_until_ms=self._world.now_ms() + 30_000)
        await asyncio.sleep(60)
        for reconciler in self._world.reconcilers:
            reconciler.process.thaw()

    async def resolve_is_repeated(self) -> None:
        """Let a person resolve doubt and lose answers, so that resent messages are pushed before a repeated call."""
        self._set_behaviour(hangs_up=1.0, report_lost=1.0)
        campaigns = [await self._operator.submit("FREEAA", 1) for _ in range(12)]
        await asyncio.sleep(10)
        wire = self._operator.far_wire
        wire.one_way_s, wire.answer_loss = 4.0, 0.5
        await asyncio.gather(*(self._operator.resolve(campaign, "resend") for campaign in campaigns))
        wire.heal()

    async def pushes_are_forgotten(self) -> None:
        """Let the server forget the resume and the pushes of a campaign, and then get the reports of these pushes."""
        world, sender = self._world, SenderId("FREEAA")
        self._set_behaviour()
        campaign = await self._operator.submit(sender, 3, start_at_ms=world.now_ms() + 5_000)
        await self._operator.control.campaign(sender, campaign, ControlAction.PAUSE)
        await asyncio.sleep(10)
        snapshot = world.server.snapshot()
        world.receiver_wire.is_cut = True
        await self._operator.control.campaign(sender, campaign, ControlAction.RESUME)
        await self._wait_until_sent(campaign, 60, "it does not go on after a resume")
        world.put_back(snapshot)
        world.receiver_wire.is_cut = False
        await asyncio.sleep(90)
        if (counts := self._counts(campaign))[MessageState.DELIVERED] != 3:
            raise Violation(
                Invariant.EVIDENCE, f"{campaign}: reports of forgotten pushes change nothing: {in_words(counts)}"
            )
        await self._operator.control.campaign(sender, campaign, ControlAction.RESUME)

    async def unexpected_error_of_a_client(self) -> None:
        """Let every push raise an unexpected error, for three seconds."""
        world = self._world
        world.active_faults += 1  # a batch waits for half a minute after an error of its worker
        for provider in world.providers.values():
            provider.behaviour.crashes = 1.0
        campaign = await self._operator.submit("SLOWAA", 60)
        await asyncio.sleep(3)
        for provider in world.providers.values():
            provider.behaviour.crashes = 0.0
        await self._wait_until_sent(campaign, 90, "an unexpected error is the end of a batch")
        world.active_faults -= 1

    async def slow_ledger(self) -> None:
        """Let every call to the ledger take half a second."""
        world = self._world
        world.slow_until_s = math.inf
        for worker in world.workers:
            worker.wire.one_way_s = 0.25
        campaign = await self._operator.submit("SLOWAA", 30)
        await self._wait_until_sent(campaign, 90, "the ledger is slow")
        for worker in world.workers:
            worker.wire.one_way_s = NORMAL_ONE_WAY_S
        world.slow_until_s = world.loop.time() + 2.0

    async def slow_ledger_becomes_quick(self) -> None:
        """Let calls to the ledger take 0.5 s, and become quick in the middle of a sender's blocks, several times."""
        world, sender = self._world, "FASTAA"
        begun = len(world.books.begun)
        world.slow_until_s = math.inf
        campaign = await self._operator.submit(sender, 6_000, batch_size=300)
        for call_s in (0.5, 0.2, 0.0, 0.4, 0.1, 0.3, 0.0):
            for worker in world.workers:
                worker.wire.one_way_s = max(NORMAL_ONE_WAY_S, call_s / 2)
            await asyncio.sleep(4)
        await self._operator.cancel(campaign)
        world.slow_until_s = world.loop.time() + 2.0
        times = [push.at_s for push in world.books.begun[begun:] if push.sender == sender]
        rate = world.settings.senders[sender].rate_per_s
        most = max(bisect_left(times, at_s + SECOND_S) - index for index, at_s in enumerate(times))
        if most > rate * (1 + RATE_EXCESS) + 1:
            raise Violation(Invariant.PACE, f"{most} pushes of {sender} began within a second, its rate is {rate:g}")

    async def wake_ups_lost(self) -> None:
        """Let the broker lose all wake-ups for a while."""
        world = self._world
        world.active_faults += 1
        world.broker.lost = 1.0
        campaign = await self._operator.submit("FREEAA", 5)
        await asyncio.sleep(5)
        world.broker.lost = 0.0
        await self._wait_until_sent(campaign, 30, "the wake-up of its batch was lost")
        world.active_faults -= 1

    async def workers_die_while_they_push(self) -> None:
        """Kill all workers while providers process their pushes."""
        world = self._world
        self._set_behaviour(report_lost=1.0)
        for provider in world.providers.values():
            provider.behaviour.latency_s = 5.0
        await self._operator.submit("FREEAA", 50)
        await asyncio.sleep(3)
        self._kill_workers()
        await asyncio.sleep(40)

    async def answers_of_providers_lost(self) -> None:
        """Let providers accept every push, and lose every answer."""
        self._set_behaviour(answer_lost=1.0, report_lost=1.0)
        await self._operator.submit("FREEAA", 20)
        await asyncio.sleep(60)

    async def workers_frozen_over_a_pause(self) -> None:
        """Freeze all workers in the middle of their blocks, pause the campaign, and resume the workers."""
        world, sender = self._world, SenderId("FREEAA")
        world.active_faults += 1
        self._set_behaviour()
        for provider in world.providers.values():
            provider.behaviour.latency_s = 0.5
        begun = len(world.books.begun)
        campaign = await self._operator.submit(sender, 3_000, batch_size=500)
        while len(world.books.begun) < begun + 1_500:  # so that pushes wait for the end of other pushes
            await asyncio.sleep(0.01)
        for worker in world.workers:
            worker.process.freeze()
        await self._operator.control.campaign(sender, campaign, ControlAction.PAUSE)
        self._operator.paused[campaign] = world.loop.time()
        await asyncio.sleep(5)
        for worker in world.workers:
            worker.process.thaw()
        await asyncio.sleep(5)
        await self._operator.resume(campaign)
        await self._wait_until_sent(campaign, 60, "workers that were frozen do not go on")
        world.active_faults -= 1

    async def pause_in_a_full_server(self) -> None:
        """Pause a campaign while the server has no free memory."""
        campaign = await self._operator.submit("SLOWAA", 50)
        self._world.server.set_full(is_full=True)
        await self._operator.pause_while_full(campaign)
        self._world.server.set_full(is_full=False)

    async def small_behind_huge(self) -> None:
        """Submit a small campaign after a huge campaign of the same sender."""
        await self._calm.small_behind_huge()

    async def worker_cut_off_from_providers(self) -> None:
        """Cut one worker off from all providers for a minute: the other workers must send nearly as fast as before."""
        world, sender = self._world, "SLOWAA"
        world.active_faults += 1
        self._set_behaviour()
        rate = world.settings.senders[sender].rate_per_s
        campaign = await self._operator.submit(sender, int(rate * 70), batch_size=20)
        worker = world.workers[0]
        worker.way.is_cut = True
        await asyncio.sleep(20)
        sent_before = self._sent(campaign)
        await asyncio.sleep(40)
        if (sent := self._sent(campaign) - sent_before) < (least := LEAST_SHARE * rate * 40):
            raise Violation(
                Invariant.STUCK, f"{campaign}: {sent} messages in 40 s beside a worker that is cut off, not {least:g}"
            )
        worker.way.is_cut = False
        await self._wait_until_sent(campaign, 90, "a worker was cut off from the providers")
        world.active_faults -= 1

    async def provider_away_from_all(self) -> None:
        """Let no worker reach a provider for a minute: all workers must continue some seconds later."""
        world = self._world
        world.active_faults += 1
        self._set_behaviour()
        for worker in world.workers:
            worker.way.is_cut = True
        campaign = await self._operator.submit("FREEAA", 50, batch_size=20)
        await asyncio.sleep(60)
        for worker in world.workers:
            worker.way.is_cut = False
        await self._wait_until_sent(campaign, 15, "the workers do not find out that the providers are back")
        world.active_faults -= 1

    async def sender_in_lanes(self) -> None:
        """Let a sender with three lanes send at its rate, and pause one campaign: all lanes must stop."""
        self._set_behaviour()
        campaign = await self._operator.submit("LANEAA", 900, batch_size=100)
        await asyncio.sleep(4)
        await self._operator.pause_and_resume(campaign, for_s=6)
        for lane in self._operator.submitted[campaign].plan.lane_campaigns:
            await self._wait_until_sent(lane, 20, "a lane does not go on")
