"""Blocks of a ledger that answers late: they are confirmed and spaced, and nothing is opened twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.kit.clock import SkippingClock
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.openings import AHEAD_S, TOLERANCE_S, Block, Opened
from times_dispatch.ledger.protocol import ControlAction
from workers.batch.batch_worker import MAX_BLOCK, BatchWorker
from workers.batch.timings import BatchTimings

pytestmark = pytest.mark.slow


class LateLeases(BatchLeases):
    """A ledger whose first answers take as many seconds as the lists say; later answers are quick."""

    def __init__(
        self, redis: Redis, clock: SkippingClock, *, openings_s: list[float], confirmations_s: list[float]
    ) -> None:
        super().__init__(redis)
        self._skipping = clock
        self._openings_s, self._confirmations_s = iter(openings_s), iter(confirmations_s)
        self.opened = list[Opened]()
        self.asked_for = list[int]()
        """How many messages each opening asked for."""
        self.asked_ahead_s = list[float]()
        """How far ahead each opening asked for send times."""
        self.confirmed = list[bool]()
        self.asked_to_move = list[int]()
        """The cost of the messages for which each confirmation wanted new send times."""
        self.before_confirming: Callable[[], Awaitable[Any]] | None = None

    async def open_block(self, lease: Lease, *, max_messages: int, **more: Any) -> Opened:
        self.asked_for.append(max_messages)
        self.asked_ahead_s.append(more["ahead_s"])
        asked_at = self._skipping.monotonic()
        opened = await super().open_block(lease, max_messages=max_messages, **more)
        self.opened.append(opened)
        self._let_take(next(self._openings_s, 0.0), asked_at)
        return opened

    async def confirm_block(
        self, lease: Lease, block: Block, *, provider: str, units: int = 0, delay_s: float = 0.0
    ) -> Block | None:
        if self.before_confirming:
            await self.before_confirming()
        asked_at = self._skipping.monotonic()
        confirmed = await super().confirm_block(lease, block, provider=provider, units=units, delay_s=delay_s)
        self.confirmed.append(confirmed is not None)
        self.asked_to_move.append(units)
        self._let_take(next(self._confirmations_s, 0.0), asked_at)
        return confirmed

    def _let_take(self, seconds: float, asked_at: float) -> None:
        """Make a call last *seconds* by the batch's clock, however long the call took on a busy machine."""
        self._skipping.skip(asked_at + seconds - self._skipping.monotonic())

    @property
    def blocks(self) -> list[Block]:
        return [opened for opened in self.opened if isinstance(opened, Block)]


async def _work_until(batch: BatchWorker, is_enough: Callable[[], bool]) -> None:
    """Let a batch work until a condition holds, then stop the batch."""
    working = asyncio.create_task(batch.work())
    async with asyncio.timeout(120):
        while not is_enough():
            await asyncio.sleep(0.01)
    batch.stop(grace_s=1)
    await working


@pytest.mark.parametrize(
    ("opening_s", "confirmations_s", "confirmed"),
    [
        (0.2, [], []),
        (0.3, [], [True]),
        (60.0, [], [True]),
        (0.3, [0.6], [True]),
        (0.3, [0.7, 5.0, 0.1], [True] * 3),
    ],
)
async def test_a_late_block_is_confirmed_until_the_answer_comes_in_time_and_never_returned_unsent(
    rig: WorkerRig, opening_s: float, confirmations_s: list[float], confirmed: list[bool]
) -> None:
    await rig.submit(5)
    clock = SkippingClock()
    leases = LateLeases(rig.redis, clock, openings_s=[opening_s], confirmations_s=confirmations_s)
    batch = await rig.batch(leases=leases, clock=clock)
    await batch.work()
    assert (batch.counts, leases.confirmed) == ({"accepted": 5}, confirmed)
    assert len(leases.blocks) == 1


@pytest.mark.parametrize("what", ["campaign", "sender", "provider", "hours"])
async def test_nothing_of_a_late_block_is_pushed_if_the_campaign_may_not_send_any_more(
    rig: WorkerRig, what: str
) -> None:
    await rig.submit(5)
    clock = SkippingClock()
    leases = LateLeases(rig.redis, clock, openings_s=[0.5], confirmations_s=[])

    async def stop() -> None:
        match what:
            case "campaign":
                await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
            case "sender":
                await rig.control.pause_sender(SENDER)
            case "provider":
                await rig.control.brake_provider(SENDER, "times", "no")
            case _:
                await rig.redis.hset(
                    f"{hash_tag(SENDER)}:c:{CAMPAIGN}", mapping={"send_window_opens_ms": 1, "send_window_closes_ms": 2}
                )

    leases.before_confirming = stop
    batch = await rig.batch(leases=leases, clock=clock)
    await batch.work()
    assert (rig.provider.arrived, leases.confirmed, await rig.states()) == ([], [False], "ppppp")
    assert len(leases.blocks) == 1


async def test_a_batch_that_stops_does_not_confirm(rig: WorkerRig) -> None:
    await rig.submit(5)
    clock = SkippingClock()
    leases = LateLeases(rig.redis, clock, openings_s=[0.5], confirmations_s=[0.7])
    batch = await rig.batch(leases=leases, clock=clock)

    async def stop() -> None:
        batch.stop(grace_s=1)

    leases.before_confirming = stop
    await batch.work()
    assert (rig.provider.arrived, await rig.states(), len(leases.confirmed)) == ([], "ppppp", 1)


async def test_messages_of_a_late_block_are_spaced_from_its_arrival_on(rig: WorkerRig) -> None:
    await rig.submit(8)
    await rig.redis.hset(f"{hash_tag(SENDER)}:sender", "rate", 200)
    clock = SkippingClock()
    leases = LateLeases(rig.redis, clock, openings_s=[0.2], confirmations_s=[])
    batch = await rig.batch(leases=leases, clock=clock)
    await batch.work()
    assert batch.counts == {"accepted": 8}
    together = leases.blocks[0].messages
    assert len(together) >= 4
    gaps = [after.at - before.at for before, after in pairwise(rig.provider.arrived[: len(together)])]
    assert sum(gaps) > 0.004 * len(gaps), "two send times are 5 ms apart"
    assert leases.asked_to_move == [len(together)]


async def test_a_late_block_is_pushed_after_the_send_times_that_others_got_meanwhile(rig: WorkerRig) -> None:
    await rig.submit(20)
    key, others_send_time_s = f"{hash_tag(SENDER)}:sender", 0.25
    await rig.redis.hset(key, "rate", 10)
    clock = SkippingClock()
    leases = LateLeases(rig.redis, clock, openings_s=[0.2], confirmations_s=[])
    confirming_at = list[float]()

    async def let_another_worker_open() -> None:
        confirming_at.append(time.monotonic())
        seconds, micros = await rig.redis.time()
        await rig.redis.hset(key, "last_send_time_us", (seconds + others_send_time_s) * 1_000_000 + micros)

    leases.before_confirming = let_another_worker_open
    batch = await rig.batch(leases=leases, clock=clock)
    await _work_until(batch, lambda: bool(rig.provider.arrived))
    began_after_s = rig.provider.arrived[0].at - confirming_at[0]
    assert began_after_s > others_send_time_s + 0.08, "two send times are 0.1 s apart"


@pytest.mark.parametrize(("opening_s", "rate", "units"), [(0.09, 100, []), (0.11, 100, [5]), (0.26, 3, [0])])
async def test_a_block_gets_new_send_times_once_it_is_later_than_a_send_time_and_a_tenth_of_a_second(
    rig: WorkerRig, opening_s: float, rate: int, units: list[int]
) -> None:
    await rig.submit(5 if units != [0] else 1)
    await rig.redis.hset(f"{hash_tag(SENDER)}:sender", "rate", rate)
    clock = SkippingClock()
    leases = LateLeases(rig.redis, clock, openings_s=[opening_s], confirmations_s=[])
    batch = await rig.batch(leases=leases, clock=clock)
    await batch.work()
    assert leases.asked_to_move == units


@pytest.mark.parametrize(("opening_s", "rate"), [(0.3, 100), (0.45, 30), (0.5, 100), (0.5, 1_000), (0.6, 100)])
async def test_a_block_is_as_short_as_its_pushes_need_after_a_round_trip_that_takes_a_little_longer(
    rig: WorkerRig, opening_s: float, rate: float
) -> None:
    """Otherwise every block is confirmed, and each confirmation takes a round trip and wastes send times.

    A block may begin with a send time that has just passed, and its last message takes one interval.
    """
    await rig.submit(1_000, batch_size=1_000)
    await rig.redis.hset(f"{hash_tag(SENDER)}:sender", "rate", rate)
    clock, timings = SkippingClock(), BatchTimings()
    leases = LateLeases(rig.redis, clock, openings_s=[opening_s] * 100, confirmations_s=[])
    batch = await rig.batch(leases=leases, clock=clock, capacity=1_000)
    await _work_until(batch, lambda: len(leases.asked_ahead_s) >= 5)
    lasts_s = max(leases.asked_ahead_s[2:]) + TOLERANCE_S + 1 / rate
    assert opening_s + lasts_s <= timings.start_within_s - timings.spare_start_s + 1e-9
    assert max(leases.asked_ahead_s[2:]) >= AHEAD_S


async def test_a_block_is_so_short_that_all_of_it_is_pushed_behind_the_delay_of_the_other_workers(
    rig: WorkerRig,
) -> None:
    """Calls to the ledger took 0.5 s and now take 0.3 s, but all workers still push 0.5 s later than the send times.

    With a longer block, the worker would push earlier than the other workers, or push the end of the block too late.
    """
    delay_s, rate = 0.5, 100
    await rig.submit(1_000, batch_size=1_000)
    ends_us = (time.time() + delay_s / 0.02) * 1e6
    await rig.redis.hset(f"{hash_tag(SENDER)}:sender", mapping={"rate": rate, "delay_ends_us": f"{ends_us:.0f}"})
    clock, timings = SkippingClock(), BatchTimings()
    leases = LateLeases(rig.redis, clock, openings_s=[0.3] * 100, confirmations_s=[])
    batch = await rig.batch(leases=leases, clock=clock, capacity=1_000)
    await _work_until(batch, lambda: len(leases.blocks) >= 6)
    max_s = timings.start_within_s - timings.spare_start_s - TOLERANCE_S - 1 / rate
    pairs = zip(leases.opened, leases.asked_ahead_s[1:], strict=False)
    left_s = [max_s - block.delay_s - ahead_s for block, ahead_s in pairs if isinstance(block, Block)]
    assert leases.blocks[1].delay_s > 0.3
    assert min(left_s[1:]) >= -0.001
    assert max(leases.asked_ahead_s[2:]) > AHEAD_S, "blocks are no shorter than necessary"


async def test_blocks_get_smaller_while_they_come_late_and_larger_again(rig: WorkerRig) -> None:
    await rig.submit(1_000, batch_size=1_000)
    clock = SkippingClock()
    leases = LateLeases(rig.redis, clock, openings_s=[0.3, 0.5, 0.9, 0.0], confirmations_s=[])
    batch = await rig.batch(leases=leases, clock=clock, capacity=1_000)
    await batch.work()
    first, second, third, fourth, fifth, *_ = leases.asked_for
    assert first == fifth == MAX_BLOCK
    assert MAX_BLOCK > second > third > fourth >= 10
    assert batch.counts["accepted"] == 1_000  # on a busy machine some messages are returned, and begun later


@pytest.mark.parametrize(("rate", "least", "most"), [(0, 100, MAX_BLOCK), (200, 11, 75), (1, 2, 3)])
async def test_a_batch_asks_for_no_more_messages_than_the_rate_allows_until_the_next_block(
    rig: WorkerRig, rate: float, least: int, most: int
) -> None:
    """For each message that a batch asks for, the batch keeps a permit from the batches of other senders.

    At most the send times of 0.36 s are given out at once.
    """
    await rig.submit(1_000, batch_size=1_000)
    await rig.redis.hset(f"{hash_tag(SENDER)}:sender", "rate", rate)
    leases = LateLeases(rig.redis, clock := SkippingClock(), openings_s=[], confirmations_s=[])
    batch = await rig.batch(leases=leases, clock=clock, capacity=1_000)
    await _work_until(batch, lambda: len(leases.asked_for) >= 3)
    first, *others = leases.asked_for[:3]
    assert first == MAX_BLOCK
    assert least <= max(others) <= most
    assert all(len(block.messages) <= most for block in leases.blocks)


@asynccontextmanager
async def slow_wire(port: int, delay_s: float) -> AsyncIterator[Redis]:
    """A client of Redis whose every answer takes *delay_s* on its way."""
    connections = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection
        connections.add(connection)
        answers, questions = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass_on(reader, questions, 0.0))
                both.create_task(_pass_on(answers, writer, delay_s))
        finally:
            for end in (writer, questions):
                end.close()
                with suppress(ConnectionError):
                    await end.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    redis = connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    try:
        yield redis
    finally:
        await redis.aclose()
        server.close()
        await asyncio.gather(*connections, return_exceptions=True)


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_s: float) -> None:
    while data := await source.read(1 << 20):
        await asyncio.sleep(delay_s)
        target.write(data)
    target.close()


@pytest.mark.parametrize(("delay_s", "rate"), [(0.3, 0.0), (0.3, 100.0)])
async def test_a_slow_ledger_slows_down_and_stops_nothing(rig: WorkerRig, delay_s: float, rate: float) -> None:
    """A block takes two round trips at most, and is opened once."""
    messages = 20 if rate else 400
    await OptOuts(rig.redis).add(["919999999999"])
    port = rig.redis.connection_pool.connection_kwargs["port"]
    async with slow_wire(port, delay_s) as far, rig.worker(rates={SENDER: rate}, redis=far) as worker:
        await rig.submit(messages, batch_size=200)
        async with asyncio.timeout(60):
            while (await rig.view()).unsent:
                await rig.issue(worker)
                await asyncio.sleep(0.05)
            await worker.quiet(20)
    assert len(rig.provider.ids) == len(set(rig.provider.ids)) == messages
    assert await rig.states() == "a" * messages


@pytest.mark.alone
@pytest.mark.parametrize(("delay_s", "share"), [(0.1, 0.6), (0.3, 0.45), (0.5, 0.2)])
async def test_a_sender_with_a_rate_uses_it_as_far_as_the_round_trips_to_the_ledger_allow(
    rig: WorkerRig, delay_s: float, share: float
) -> None:
    """The share of the rate is counted over 4 s, which begin 2 s after the first push.

    In the first 2 s each script is loaded, and the worker measures how long calls take. With calls of 0.5 s, 0.2 s of
    the 0.75 s are left for the pushes of a block, and a block comes every 0.5 s: the worker can use 0.4 of the rate,
    and must use half of that.
    """
    rate, settles_s, seconds = 100, 2.0, 4.0
    port = rig.redis.connection_pool.connection_kwargs["port"]
    async with slow_wire(port, delay_s) as far, rig.worker(rates={SENDER: rate}, redis=far) as worker:
        await rig.submit(1_000, batch_size=1_000)
        await rig.issue(worker)
        arrived_s = list[float]()
        async with asyncio.timeout(60):
            while not arrived_s or arrived_s[-1] < arrived_s[0] + settles_s + seconds:
                await asyncio.sleep(0.05)
                arrived_s = [push.at for push in rig.provider.arrived]
        await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
        await worker.quiet(20)
    begins_s = arrived_s[0] + settles_s
    sent = sum(begins_s <= at < begins_s + seconds for at in arrived_s)
    assert sent >= share * rate * seconds
    in_a_second = max(sum(first <= at < first + 0.998 for at in arrived_s) for first in arrived_s)
    assert in_a_second <= rate * 1.1


async def test_a_pause_acts_within_a_second_on_the_send_times_of_a_long_round_trip(rig: WorkerRig) -> None:
    port = rig.redis.connection_pool.connection_kwargs["port"]
    async with slow_wire(port, 0.3) as far, rig.worker(rates={SENDER: 100}, redis=far) as worker:
        await rig.submit(1_000, batch_size=1_000)
        await rig.issue(worker)
        async with asyncio.timeout(30):
            while len(rig.provider.arrived) < 60:
                await asyncio.sleep(0.01)
        await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
        paused_at = asyncio.get_running_loop().time()
        await worker.quiet(20)
    assert rig.provider.arrived[-1].at <= paused_at + 1.0
    assert set(await rig.states()) == {"a", "p"}
