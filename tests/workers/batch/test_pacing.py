import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.clock import FakeClock
from tests.kit.workers import SENDER
from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, SenderId
from times_dispatch.ledger.openings import Block
from workers.batch.batch_run import BatchRun
from workers.batch.pacing import Pacer, Spacing, Spacings
from workers.batch.push_queue import PushQueue, QueuedPush

NOW = 1_000.0


def a_plan(**changes: Any) -> Plan:
    return Plan(
        name="diwali-sale",
        sender=SENDER,
        provider="times",
        template="greeting",
        content_id="1107160000000000001",
        text="Dear {#var#}",
        category="service",
        valid_until_ms=1,
        **changes,
    )


class Handler:
    """Records when each push begins."""

    is_urgent = False

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.pushed: list[tuple[int, float]] = []
        self.returned: list[int] = []

    async def push(self, queued: QueuedPush) -> None:
        self.pushed.append((queued.message_index, round(self._clock.monotonic() - NOW, 6)))

    def return_unsent(self, queued: QueuedPush) -> None:
        self.returned.append(queued.message_index)

    def fail(self, error: BaseException) -> None:
        raise error


class PacingScene:
    """A pacer on a clock that stands still."""

    def __init__(self, **changes: Any) -> None:
        self.clock = FakeClock(now=NOW)
        self.handler = Handler(self.clock)
        self.run = BatchRun(lease_deadline=NOW + 15, clock=self.clock)
        plan = a_plan(**changes)
        self.pacer = Pacer(
            plan,
            [2, 1, 3, 1],
            handler=self.handler,
            push_queue=PushQueue(10, clock=self.clock),
            run=self.run,
            spacing=Spacing(),
            max_sleep_s=0.5,
            clock=self.clock,
        )

    async def start(self, *, interval_s: float, starts_in_s: float = 0.0, start_within_s: float = 0.75) -> None:
        block = Block(1, starts_in_s, interval_s, [(index, 0) for index in range(4)])
        self.pacer.enqueue_block(block, opened_at=NOW, start_by=NOW + start_within_s)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_without_a_limit_all_are_pushed_at_once() -> None:
    scene = PacingScene()
    await scene.start(interval_s=0)
    assert scene.handler.pushed == [(index, 0) for index in range(4)]


async def test_each_message_is_pushed_at_its_send_time() -> None:
    scene = PacingScene()
    await scene.start(interval_s=0.1, starts_in_s=0.05)
    assert scene.handler.pushed == []
    await scene.clock.advance(0.5)
    assert scene.handler.pushed == [(0, 0.05), (1, 0.15), (2, 0.25), (3, 0.35)]


async def test_a_message_takes_as_many_send_times_as_it_has_parts_when_the_rate_counts_parts() -> None:
    scene = PacingScene(cost_unit="parts")
    await scene.start(interval_s=0.1)
    await scene.clock.advance(0.65)
    assert scene.handler.pushed == [(0, 0), (1, 0.2), (2, 0.3), (3, 0.6)]


async def test_a_send_time_that_has_just_passed_is_used_at_once() -> None:
    scene = PacingScene()
    await scene.start(interval_s=0.04, starts_in_s=-0.01)
    assert scene.handler.pushed == [(0, 0)]
    await scene.clock.advance(0.2)
    assert scene.handler.pushed[1:] == [(1, 0.03), (2, 0.07), (3, 0.11)]


async def test_after_a_stall_the_messages_that_are_more_than_40_ms_late_are_returned_unsent() -> None:
    scene = PacingScene()
    await scene.start(interval_s=0.02)
    await scene.clock.stall(0.09)
    assert scene.handler.pushed == [(0, 0), (3, 0.09)]
    assert scene.handler.returned == [1, 2]


async def test_at_a_low_rate_a_message_may_be_late_by_half_the_time_between_two_send_times() -> None:
    scene = PacingScene()
    await scene.start(interval_s=0.2)
    await scene.clock.stall(0.29)
    await scene.clock.stall(0.26)
    assert scene.handler.pushed == [(0, 0), (1, 0.29)]
    assert scene.handler.returned == [2]


async def test_blocks_of_one_pace_go_one_after_the_other_when_the_first_came_late() -> None:
    scene = PacingScene()
    late = Block(1, 0.0, 0.1, [(index, 0) for index in range(4)])
    scene.pacer.enqueue_block(late, opened_at=NOW, start_by=NOW + 0.75)
    await scene.clock.advance(0.1)
    scene.pacer.enqueue_block(late._replace(number=2), opened_at=NOW + 0.1, start_by=NOW + 0.85)
    await scene.clock.advance(1.0)
    moments = [at for _, at in scene.handler.pushed]
    assert len(moments) == 8
    assert all(after - before > 0.0499 for before, after in pairwise(moments))
    assert moments[-1] >= 0.65


async def test_a_message_whose_send_time_is_too_late_is_returned_unsent() -> None:
    scene = PacingScene()
    await scene.start(interval_s=0.1, start_within_s=0.15)
    await scene.clock.advance(0.5)
    assert [index for index, _ in scene.handler.pushed] == [0, 1]
    assert scene.handler.returned == [2, 3]


async def test_a_stop_ends_the_wait_for_a_send_time_and_the_rest_is_returned_unsent() -> None:
    scene = PacingScene()
    await scene.start(interval_s=0.1)
    scene.run.stop()
    await scene.settle()
    await scene.settle()
    assert [index for index, _ in scene.handler.pushed] == [0]
    assert scene.handler.returned == [1, 2, 3]
    assert not scene.run.has_tasks


@pytest.mark.parametrize("interval_s", [0.0, 0.1])
async def test_after_a_stop_all_go_back(interval_s: float) -> None:
    scene = PacingScene()
    scene.run.stop()
    await scene.start(interval_s=interval_s)
    assert scene.handler.pushed == []
    assert scene.handler.returned == [0, 1, 2, 3]


async def test_an_error_in_the_pacing_returns_the_messages_after_it_and_fails_the_batch() -> None:
    scene = PacingScene(cost_unit="parts")
    scene.pacer._parts = [1]  # the parts of the first message only
    await scene.start(interval_s=0.001, starts_in_s=-0.01)
    await scene.settle()
    assert isinstance(scene.run.unexpected, IndexError)
    assert [index for index, _ in scene.handler.pushed] == [0, 1]
    assert scene.handler.returned == [2, 3]


@given(st.lists(st.floats(0.0, 2.0), min_size=2, max_size=200), st.floats(5.0, 500.0))
def test_however_late_messages_come_no_second_holds_more_than_the_rate_and_a_twentieth(
    gaps_s: list[float], rate: float
) -> None:
    spacing, now, moments = Spacing(), 100.0, list[float]()
    for gap_s in gaps_s:
        now += gap_s / rate
        at = max(now, spacing.earliest(1 / rate))
        spacing.take(at, 1, 1 / rate)
        moments.append(at)
    for first in range(len(moments)):
        in_second = sum(moments[first] <= at < moments[first] + 1.0 for at in moments)
        assert in_second <= rate * 1.05 + 1 + 1e-6


def test_a_new_rate_acts_on_the_spacing_at_once() -> None:
    spacing = Spacing()
    spacing.take(100.0, 2, 50.0)
    assert spacing.earliest(50.0) == pytest.approx(200.0, abs=0.1)
    assert spacing.earliest(0.1) == pytest.approx(100.2, abs=0.1)


def test_batches_of_a_sender_share_a_spacing_unless_their_campaign_has_a_rate_of_its_own_or_is_urgent() -> None:
    spacings = Spacings()
    first, second = (BatchRef(SenderId("TIMESM"), CampaignId(campaign), 0) for campaign in ("diwali01", "diwali02"))
    shared = spacings.get(first, a_plan())
    assert spacings.get(second, a_plan()) is shared
    others = [spacings.get(first, a_plan(rate_per_s=5.0)), spacings.get(first, a_plan(urgent=True))]
    assert shared not in others
    assert spacings.get(second, a_plan(rate_per_s=5.0)) not in others
