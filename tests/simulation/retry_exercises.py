"""Exercises in which reports say failed, and the rule of the campaign demands second tries."""

import asyncio
from collections import Counter

from tests.simulation.exercise_steps import ExerciseSteps
from tests.simulation.violation import Invariant, Violation
from times_dispatch.ledger.model import RetryRule


class RetryExercises(ExerciseSteps):
    """Each method is an exercise; it returns when the situation is over, and raises ``Violation``."""

    async def failed_reports_lead_to_second_tries(self) -> None:
        """Let every report say failed: each message must get exactly as many second tries as the rule allows."""
        world = self._world
        self._set_behaviour(report_failed=1.0)
        rule = RetryRule(codes=[910], after_s=[60, 120], at_most=2)
        campaign = await self._operator.submit("FREEAA", 20, retry=rule)
        await asyncio.sleep(600)
        counts = Counter(len(world.books.accepted[campaign, index]) for index in range(20))
        if counts != {1 + rule.at_most: 20}:
            raise Violation(Invariant.STUCK, f"{campaign}: messages by how often they were sent: {dict(counts)}")

    async def a_delivery_ends_the_wait_for_a_second_try(self) -> None:
        """Let each message be reported as failed and then as delivered, before its second try is due."""
        self._set_behaviour(report_failed=1.0)
        for provider in self._world.providers.values():
            provider.behaviour.report_contradicted = 1.0
        rule = RetryRule(codes=[910], after_s=[120], at_most=1)
        await self._operator.submit("FREEAA", 20, retry=rule)
        await asyncio.sleep(300)

    async def failed_reports_are_stored_without_an_answer(self) -> None:
        """Freeze the server while reports say failed: it stores the reports later, but the providers get no answer."""
        world = self._world
        world.active_faults += 1
        self._set_behaviour(report_failed=1.0)
        await self._operator.submit("FREEAA", 20, retry=RetryRule(codes=[910], after_s=[60], at_most=1))
        await asyncio.sleep(1.5)  # all messages are pushed, but not all are reported
        world.server.freeze()
        await asyncio.sleep(20)
        world.server.thaw()
        await asyncio.sleep(120)
        world.active_faults -= 1

    async def reports_of_failure_come_at_once(self) -> None:
        """Let each report say failed before the answer to the push arrives: each message must get one second try."""
        self._set_behaviour(report_failed=1.0)
        for provider in self._world.providers.values():
            provider.behaviour.report_at_once = 1.0
        campaign = await self._operator.submit("FREEAA", 20, retry=RetryRule(codes=[910], after_s=[60], at_most=1))
        await asyncio.sleep(90)
        attempts = Counter(copy.attempt for index in range(20) for copy in self._world.books.accepted[campaign, index])
        if attempts != {0: 20, 1: 20}:
            raise Violation(Invariant.STUCK, f"{campaign}: how often each attempt was accepted: {dict(attempts)}")
