import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from tests.kit.clock import FakeClock
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.model import BatchRef, CampaignId, Recipients, SenderId
from workers.batch.batch_worker import BatchWorker
from workers.lease_renewal import LeaseRenewal

NOW = 1_000.0


class FakeBatch:
    def __init__(self, sender: str, number: int) -> None:
        ref = BatchRef(SenderId(sender), CampaignId("diwali01"), number)
        self.lease = Lease(ref, 1, Recipients(0, [], [], [], []))
        self.deadline = 0.0
        self.is_lost = False

    def on_lease_renewed(self, *, lease_deadline: float) -> None:
        self.deadline = lease_deadline

    def on_lease_lost(self) -> None:
        self.is_lost = True


class FakeRenewal:
    """A ledger that has given some leases away, and does not answer for some senders."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.asked_at: list[float] = []
        self.gone: set[int] = set()
        self.away: set[str] = set()
        self.takes_s = 0.0

    async def renew(self, sender: SenderId, leases: Sequence[Lease]) -> list[bool]:
        self.asked_at.append(self._clock.monotonic())
        if self.takes_s:
            await self._clock.sleep(self.takes_s)
        if sender in self.away:
            raise RedisAway
        return [lease.ref.number not in self.gone for lease in leases]


class RenewalScene:
    def __init__(self) -> None:
        self.clock = FakeClock(now=NOW)
        self.leases = FakeRenewal(self.clock)
        self.batches = [FakeBatch("TIMESM", 0), FakeBatch("TIMESM", 1), FakeBatch("OTHERS", 2)]
        self.renewal = LeaseRenewal(
            cast(BatchLeases, self.leases), cast(list[BatchWorker], self.batches), lease_s=15.0, clock=self.clock
        )

    @property
    def deadlines(self) -> list[Any]:
        return [batch.deadline for batch in self.batches]


@pytest.fixture
async def scene() -> AsyncIterator[RenewalScene]:
    scene = RenewalScene()
    running = asyncio.create_task(scene.renewal.run())
    await asyncio.sleep(0)
    yield scene
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_leases_are_renewed_five_times_per_lease_with_one_call_for_each_sender(scene: RenewalScene) -> None:
    await scene.clock.advance(2.999)
    assert scene.leases.asked_at == []
    await scene.clock.advance(3.001)
    assert scene.leases.asked_at == [NOW + 3, NOW + 3, NOW + 6, NOW + 6]


async def test_a_renewed_lease_counts_from_the_asking_and_not_from_the_answer(scene: RenewalScene) -> None:
    scene.leases.takes_s = 0.5
    await scene.clock.advance(3.5)
    assert scene.deadlines[:2] == [NOW + 18, NOW + 18]


async def test_a_batch_whose_lease_has_gone_is_told_and_the_others_go_on(scene: RenewalScene) -> None:
    scene.leases.gone = {1}
    await scene.clock.advance(3)
    assert [batch.is_lost for batch in scene.batches] == [False, True, False]
    assert scene.deadlines == [NOW + 18, 0.0, NOW + 18]


async def test_a_ledger_that_does_not_answer_for_one_sender_keeps_no_other_from_its_renewal(
    scene: RenewalScene,
) -> None:
    scene.leases.away = {"TIMESM"}
    with capture_logs() as logs:
        await scene.clock.advance(3)
    assert scene.deadlines == [0.0, 0.0, NOW + 18]
    assert not any(batch.is_lost for batch in scene.batches)
    assert [(log["event"], log["doing"]) for log in logs] == [("ledger unavailable", "renew")]
