from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.kit.clock import FakeClock
from tests.kit.ledger import SENDER, Ledger
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.ready_batches import BatchReady
from workers.batch.issuer import BatchIssuer

PAUSE_S = 0.5


class Rig:
    """An issuer that puts its background tasks into a list, and the batches for which the issuer woke workers."""

    def __init__(self, redis: Redis) -> None:
        self.background = list[Coroutine[Any, Any, None]]()
        self.woken = list[int]()
        self.clock = FakeClock(auto=True)
        self.issuer = BatchIssuer(
            BatchLeases(redis),
            wake_workers=self._wake,
            start_in_background=self.background.append,
            pause_s=PAUSE_S,
            clock=self.clock,
        )

    async def _wake(self, ready: Sequence[BatchReady]) -> None:
        self.woken += [batch.ref.number for batch in ready]

    async def run_background(self) -> None:
        while self.background:
            await self.background.pop(0)


@pytest.fixture
async def rig(redis: Redis) -> Rig:
    await Ledger(redis).submit(2, batch_size=2)
    return Rig(redis)


async def test_workers_are_woken_for_the_issued_batches_and_the_caller_does_not_wait(rig: Rig) -> None:
    await rig.issuer.issue(SENDER)
    assert rig.woken == []
    await rig.run_background()
    assert rig.woken == [0]
    await rig.issuer.issue(SENDER)  # all batches are out
    assert rig.background == []


async def test_batches_that_are_issued_later_are_issued_once_after_the_pause(rig: Rig) -> None:
    rig.issuer.issue_later(SENDER)
    rig.issuer.issue_later(SENDER)
    (later,) = rig.background
    began_at = rig.clock.monotonic()
    await rig.run_background()
    assert later
    assert rig.clock.monotonic() - began_at >= PAUSE_S
    assert rig.woken == [0]
    rig.issuer.issue_later(SENDER)
    assert len(rig.background) == 1
    await rig.run_background()


async def test_nothing_is_issued_after_the_stop(rig: Rig) -> None:
    rig.issuer.stop()
    await rig.issuer.issue(SENDER)
    assert rig.background == []


async def test_a_ledger_that_is_away_raises_nothing(rig: Rig, unused_tcp_port: int) -> None:
    async with Redis(port=unused_tcp_port) as away:
        await Rig(away).issuer.issue(SENDER)
    assert rig.woken == []
