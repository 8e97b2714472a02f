"""Exercises in which the server's clock is set forward or back."""

import asyncio
import math

from tests.simulation.exercise_steps import JUMP_S, ExerciseSteps
from tests.simulation.operator import MINUTE_MS
from tests.simulation.violation import Invariant, Violation
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import MessageState


class ClockExercises(ExerciseSteps):
    """Each method is an exercise; it returns when the situation is over, and raises ``Violation``."""

    async def clock_set_forward(self) -> None:
        """Set the server's clock beyond the validity of a campaign that has not begun."""
        now_ms = self._world.now_ms()
        await self._operator.submit(
            "FREEAA", 5, start_at_ms=now_ms + 5 * MINUTE_MS, valid_until_ms=now_ms + 10 * MINUTE_MS
        )
        self._set_clock(JUMP_S)
        await asyncio.sleep(20)
        self._set_clock(0)

    async def clock_set_forward_over_doubt(self) -> None:
        """Set the server's clock beyond the validity of messages in doubt, after other messages were rightly given up.

        A person sends messages in doubt of two campaigns again. In one campaign a provider refuses some messages and
        leaves the others in doubt; the other campaign is cancelled before it sends the messages.
        """
        self._set_behaviour(hangs_up=1.0, report_lost=1.0)
        valid_until_ms = self._world.now_ms() + 10 * MINUTE_MS
        resent = await self._operator.submit("FREEAA", 20, valid_until_ms=valid_until_ms)
        cancelled = await self._operator.submit("FREEAA", 5, valid_until_ms=valid_until_ms)
        await asyncio.sleep(5)
        self._set_behaviour(rejected=0.5, hangs_up=1.0, report_lost=1.0)
        await self._operator.control.campaign(SenderId("FREEAA"), cancelled, ControlAction.PAUSE)
        for campaign in (resent, cancelled):
            await self._operator.resolve(campaign, "resend")
        await self._operator.cancel(cancelled)
        await asyncio.sleep(10)
        given_up = [self._counts(campaign)[MessageState.GIVEN_UP] for campaign in (resent, cancelled)]
        if not 0 < given_up[0] < 20 or given_up[1] != 5:
            raise Violation(Invariant.UNFINISHED, f"given up of 20 that were refused, of 5 that were not: {given_up}")
        self._set_clock(JUMP_S)
        await asyncio.sleep(20)
        self._set_clock(0)

    async def clock_set_forward_within_rounds(self) -> None:
        """Set the server's clock beyond validities repeatedly within rounds of upkeep."""
        self._set_behaviour(hangs_up=1.0, report_lost=1.0)
        now_ms = self._world.now_ms()
        until_ms = now_ms + 15 * MINUTE_MS
        await self._operator.submit("FREEAA", 5, valid_until_ms=until_ms)
        await self._operator.submit("FREEAA", 5, start_at_ms=now_ms + 10 * MINUTE_MS, valid_until_ms=until_ms)
        await asyncio.sleep(5)
        await self._set_clock_within_rounds()

    async def clock_set_forward_over_leases(self) -> None:
        """Set the server's clock beyond the leases of live workers repeatedly within rounds of upkeep."""
        self._set_behaviour()
        world, before = self._world, self._world.lost_leases
        campaign = await self._operator.submit("SLOWAA", 2_000, batch_size=200)
        await asyncio.sleep(5)
        # After a jump no lease expires before workers had five seconds to renew it.
        await self._set_clock_within_rounds(times=8, least_gap_s=8.0)
        if lost := world.lost_leases - before:
            raise Violation(Invariant.EARLY, f"{campaign}: {lost} leases of workers that live have ended")
        await self._operator.cancel(campaign)

    async def _set_clock_within_rounds(self, *, times: int = 30, least_gap_s: float = 3.0) -> None:
        """Set the server's clock forward and back repeatedly, while each round of upkeep takes several seconds.

        Some rounds compare the clocks before the clock is set, and look for ended validities and leases afterwards.

        Args:
            times: how many times the clock is set.
            least_gap_s: the shortest time between two changes in which the clock is right, in seconds.
        """
        world = self._world
        world.active_faults += 1
        world.slow_until_s = math.inf
        for worker in world.workers:
            worker.wire.one_way_s = 0.25
        for _ in range(times):
            await asyncio.sleep(least_gap_s + world.random.uniform(0, 3))
            self._set_clock(JUMP_S)
            await asyncio.sleep(4)
            self._set_clock(0)
        for worker in world.workers:
            worker.wire.heal()
        world.slow_until_s = world.loop.time() + 2.0
        world.active_faults -= 1

    async def clock_set_back_after_a_death(self) -> None:
        """Kill the workers that hold leases, and set the server's clock back: other workers must continue."""
        campaign = await self._operator.submit("SLOWAA", 100, batch_size=50)
        await asyncio.sleep(3)
        self._kill_workers()
        self._set_clock(-JUMP_S)
        await self._wait_until_sent(campaign, 90, "the leases of dead workers never end")
        self._set_clock(0)
