"""Steps that all exercises share: they prepare the world, wait, and count messages."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.calm import Calm
from tests.simulation.provider import Behaviour
from tests.simulation.violation import Invariant, Violation
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import MessageState

if TYPE_CHECKING:
    from tests.simulation.world import World

JUMP_S = 1_800.0
"""By how many seconds the server's clock is set forward or back."""


class ExerciseSteps:
    """Steps of exercises in one simulated world."""

    def __init__(self, world: "World", calm: Calm) -> None:
        self._world = world
        self._operator = world.operator
        self._calm = calm

    def _sent(self, campaign: CampaignId) -> int:
        counts = self._counts(campaign)
        return sum(counts.values()) - counts[MessageState.PENDING] - counts[MessageState.SENDING]

    def _kill_workers(self) -> None:
        """Kill all workers as with kill -9, and start the same number of workers."""
        for worker in tuple(self._world.workers):
            worker.process.kill()
            self._world.workers.remove(worker)
            self._world.start_worker()

    def _set_clock(self, offset_s: float) -> None:
        self._world.clock_was_wrong = True
        self._world.server.offset_s = offset_s

    def _set_behaviour(
        self,
        *,
        rejected: float = 0.0,
        hangs_up: float = 0.0,
        answer_lost: float = 0.0,
        report_lost: float = 0.0,
        report_failed: float = 0.0,
    ) -> None:
        """Let providers accept every push and report each message as delivered, except for these shares of 1.

        Args:
            rejected: the share of pushes that are rejected.
            hangs_up: the share of accepted pushes whose connection is lost before the answer.
            answer_lost: the share of accepted pushes whose answer never arrives.
            report_lost: the share of messages without a report.
            report_failed: the share of reports that say failed.
        """
        for provider in self._world.providers.values():
            provider.behaviour = Behaviour(
                rejected=rejected,
                answer_lost=answer_lost,
                hangs_up=hangs_up,
                report_lost=report_lost,
                report_doubled=0.0,
                report_failed=report_failed,
                report_at_once=0.0,
                report_contradicted=0.0,
                report_days_late=0.0,
                report_delay_s=1.0,
            )

    async def _wait_until_sent(self, campaign: CampaignId, within_s: float, why_not: str) -> None:
        """Wait until no message of a campaign is pending or sending; raise ``Violation`` if that takes too long."""
        until_s = self._world.loop.time() + within_s
        while (counts := self._counts(campaign))[MessageState.PENDING] or counts[MessageState.SENDING]:
            if self._world.loop.time() > until_s:
                raise Violation(Invariant.STUCK, f"{campaign}: {why_not}: {in_words(counts)}")
            await asyncio.sleep(1)

    def _counts(self, campaign: CampaignId) -> Counter[MessageState]:
        """Return the number of messages of a campaign in each state of the ledger."""
        key = f"{hash_tag(self._operator.submitted[campaign].plan.sender)}:c:{campaign}"
        values = self._world.server.peek([("HMGET", key, *(state.value for state in MessageState))])[0]
        counts = Counter({state: int(count or 0) for state, count in zip(MessageState, values, strict=True)})
        return +counts


def in_words(counts: Counter[MessageState]) -> str:
    """Return the counts of a campaign's messages as a text."""
    return ", ".join(f"{count} {state.label}" for state, count in counts.items())
