"""A command reaches a waiting worker long before the wait would end.

The worker asks the ledger again every ``max_sleep_s``. The tests measure the waits that the worker asks for, because a
busy machine takes longer.
"""

import asyncio

import pytest

from tests.kit.fake_provider import answer
from tests.kit.waiting import eventually
from tests.kit.workers import SENDER, WorkerRig
from times_dispatch.clock import SystemClock
from times_dispatch.ledger.states import MessageState

DISPATCHER_WAITS = {3.0, 300.0}
"""How long the dispatcher waits between two renewals of leases, and between two checks of its senders' limits."""


class RecordingClock(SystemClock):
    """The system's clock, and every wait that was asked for, in seconds."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await super().sleep(seconds)

    def batch_waits(self) -> int:
        """Return how many waits batches asked for."""
        return sum(seconds not in DISPATCHER_WAITS for seconds in self.waits)

    def max_batch_wait_s(self) -> float:
        return max(set(self.waits) - DISPATCHER_WAITS)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        self.waits.append(timeout_s)
        return await super().wait(event, timeout_s)


@pytest.fixture
def clock() -> RecordingClock:
    return RecordingClock()


async def test_a_rate_that_is_raised_acts_on_a_worker_that_waits_for_a_send_time(
    rig: WorkerRig, clock: RecordingClock
) -> None:
    await rig.submit(5)
    async with rig.worker(rates={SENDER: 0.02}, clock=clock) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.provider.ids) == 1)
        await eventually(lambda: clock.batch_waits() >= 2)  # the batch waits for its next send time, in 50 seconds
        await rig.control.set_rate(SENDER, 20)
        await eventually(lambda: len(rig.provider.ids) >= 2, within_s=20)
        assert clock.max_batch_wait_s() <= 0.5
        await worker.quiet()


async def test_a_sender_that_is_resumed_while_it_backs_off_goes_on_before_the_back_off_ends(
    rig: WorkerRig, clock: RecordingClock
) -> None:
    await rig.submit(3)
    rig.provider.reply = lambda _: answer({}, 429, **{"Retry-After": "60"})
    async with rig.worker(clock=clock) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.provider.ids) >= 3)
        await eventually(lambda: _all_are_pending(rig))
        await eventually(lambda: clock.batch_waits() >= 2)
        sent = len(rig.provider.ids)
        rig.provider.reply = lambda _: None
        await rig.control.resume_sender(SENDER)
        await eventually(lambda: len(rig.provider.ids) > sent, within_s=20)
        assert clock.max_batch_wait_s() <= 0.5
        await worker.quiet()
    assert await rig.states() == "aaa"


async def _all_are_pending(rig: WorkerRig) -> bool:
    return await rig.count(MessageState.PENDING) == 3
