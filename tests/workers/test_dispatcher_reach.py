"""A process that cannot reach a provider leaves the batches to processes that can, and disturbs none of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.kit.fake_provider import FakeProvider
from tests.kit.fleet import Fleet
from tests.kit.waiting import eventually
from tests.kit.workers import SENDER, Worker, WorkerRig
from times_dispatch.ledger.openings import Block, Opened, Wait
from times_dispatch.ledger.protocol import CloseReason, WaitReason
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import OUTCOMES, Failure
from times_dispatch.provider.push_errors import NotSent
from workers.batch.batch_run import BatchEnd
from workers.batch.timings import BatchTimings

pytestmark = pytest.mark.slow  # a back-off lasts half a second at least

TIMINGS = BatchTimings(lost_after_s=0.2, pass_on_after_s=0.02)
WITHIN_S = 240.0
"""This time only limits the wait for progress, on a machine however busy."""


class CutOff:
    """The network of a worker that cannot reach the provider ``times``."""

    def __init__(self, rig: WorkerRig) -> None:
        self._rig = rig
        self.provider = FakeProvider()
        self.provider.reply = lambda _: NotSent(Failure.UNREACHABLE)
        self.connections = 0
        """How many connections were tried."""

    def client(self, description: Provider) -> Client:
        if description.nickname != "times":
            return self._rig.client(description)
        cut_off = self

        class CutOffClient(Client):
            async def can_connect(self) -> bool:
                cut_off.connections += 1
                return False

        return CutOffClient(description, self.provider)


@asynccontextmanager
async def fleet_of(rig: WorkerRig, cut_off: CutOff, *, healthy: int, **options: Any) -> AsyncIterator[Fleet]:
    """Run one worker that is cut off, as the first worker, and *healthy* other workers."""
    fleet = Fleet()
    options["sender_options"] = {"repeat_after": "0m"}  # two campaigns of a test have the same text
    async with AsyncExitStack() as stack:
        for make_client in (cut_off.client, *[rig.client] * healthy):
            worker = rig.worker(make_client=make_client, timings=TIMINGS, wake=fleet.wake, **options)
            fleet.workers.append(await stack.enter_async_context(worker))
        yield fleet


async def keep_up_until_sent(rig: WorkerRig, fleet: Fleet, campaign: str, messages: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await rig.count(MessageState.ACCEPTED, campaign) < messages:  # type: ignore[arg-type]
            await rig.keep_up(*fleet.workers)
            await asyncio.sleep(0.05)


def count_openings(worker: Worker) -> Counter[str]:
    """From now on, count the ledger's answers to the worker's requests for blocks."""
    leases, counts = worker.dispatcher._context.leases, Counter[str]()
    real = leases.open_block

    async def open_block(*args: Any, **options: Any) -> Opened:
        opened = await real(*args, **options)
        if isinstance(opened, Block):
            counts["probes" if len(opened.messages) == 1 else "blocks"] += 1
        elif isinstance(opened, Wait) and opened.reason == WaitReason.BACKING_OFF:
            counts["back-offs"] += 1
        return opened

    leases.open_block = open_block  # type: ignore[method-assign]
    return counts


async def test_the_batch_of_a_worker_that_is_cut_off_from_the_provider_is_sent_by_another(redis: Redis) -> None:
    rig = WorkerRig(redis, FakeProvider())
    await rig.submit(40, batch_size=20)
    async with fleet_of(rig, CutOff(rig), healthy=1) as fleet:
        cut_off = fleet.workers[0]
        await rig.issue(cut_off)
        await eventually(lambda: BatchEnd.PROVIDER_LOST in cut_off.ended, within_s=WITHIN_S)
        await keep_up_until_sent(rig, fleet, "diwali01", 40)
        await eventually(lambda: not cut_off.dispatcher.figures()["batches"], within_s=WITHIN_S)
    assert (await rig.view()).state is CampaignState.FINISHED
    assert len(set(rig.provider.ids)) == len(rig.provider.ids) == 40
    assert await rig.lease_count(SENDER) == 0


async def test_a_worker_that_is_cut_off_costs_the_healthy_ones_less_than_a_fifth_of_their_openings(
    redis: Redis,
) -> None:
    rig = WorkerRig(redis, FakeProvider())
    cut_off = CutOff(rig)
    await rig.submit(20, batch_size=20, campaign="before01")
    async with fleet_of(rig, cut_off, healthy=2) as fleet:
        await rig.issue(fleet.workers[0])
        await eventually(lambda: BatchEnd.PROVIDER_LOST in fleet.workers[0].ended, within_s=WITHIN_S)
        await keep_up_until_sent(rig, fleet, "before01", 20)
        failed_before = len(cut_off.provider.arrived)
        openings = [count_openings(worker) for worker in fleet.workers[1:]]

        await rig.submit(2_000, batch_size=20, campaign="during01")
        await keep_up_until_sent(rig, fleet, "during01", 2_000)
    counts = openings[0] + openings[1]
    assert len(set(rig.provider.ids)) == len(rig.provider.ids) == 2_020
    assert len(cut_off.provider.arrived) == failed_before, "a worker that is cut off opened messages"
    assert cut_off.connections > 0
    assert fleet.workers[0].ended.count(BatchEnd.NOTHING_TO_DO) > 5, "the worker that is cut off got no wake-ups"
    assert (counts["probes"] + counts["back-offs"]) * 5 < counts["blocks"], counts


async def test_a_worker_takes_no_wake_ups_while_it_is_cut_off_from_every_provider(redis: Redis) -> None:
    rig = WorkerRig(redis, FakeProvider())
    async with rig.worker(timings=TIMINGS, chain=("times", "second"), make_client=CutOff(rig).client) as worker:
        reach = worker.dispatcher._context.reach
        for provider in ("times", "second"):
            assert not worker.dispatcher.is_full()
            reach.note(provider, [OUTCOMES[Failure.UNREACHABLE]])
            await asyncio.sleep(0.25)
            reach.note(provider, [OUTCOMES[Failure.UNREACHABLE]])
        assert worker.dispatcher.is_full()
        assert worker.dispatcher.is_full(is_urgent=True)
        await eventually(lambda: not worker.dispatcher.is_full())  # a connection to the second provider can be made


async def test_a_lone_worker_goes_on_trying_and_sends_when_the_provider_is_back(redis: Redis) -> None:
    rig = WorkerRig(redis, FakeProvider())
    rig.provider.reply = lambda _: NotSent(Failure.REFUSED)
    await rig.submit(40, batch_size=20)
    async with rig.worker(timings=TIMINGS) as worker:
        await rig.issue(worker)
        await eventually(lambda: BatchEnd.PROVIDER_LOST in worker.ended, within_s=WITHIN_S)
        rig.provider.reply = lambda _: None
        async with asyncio.timeout(WITHIN_S):
            while await rig.count(MessageState.ACCEPTED) < 40:
                await rig.keep_up(worker)
                await asyncio.sleep(0.05)


async def test_a_provider_that_accepts_connections_and_answers_nothing_is_tried_with_one_message_at_a_time(
    redis: Redis,
) -> None:
    rig = WorkerRig(redis, FakeProvider())
    rig.provider.reply = lambda _: TimeoutError()
    await rig.submit(2_000, batch_size=200)
    async with rig.worker(timings=TIMINGS, max_in_flight=20) as worker:
        await rig.issue(worker)
        await eventually(lambda: BatchEnd.PROVIDER_LOST in worker.ended, within_s=WITHIN_S)
        opened = count_openings(worker)
        async with asyncio.timeout(WITHIN_S):
            while opened["probes"] < 2:
                await rig.keep_up(worker)
                await asyncio.sleep(0.05)
    assert opened["blocks"] == 0
    assert await rig.count(MessageState.IN_DOUBT) == len(set(rig.provider.ids)) == len(rig.provider.ids)


async def test_a_worker_that_is_cut_off_from_one_provider_of_a_chain_leaves_the_messages_while_it_answers_others(
    redis: Redis,
) -> None:
    rig = WorkerRig(redis, FakeProvider())
    await rig.submit(20, batch_size=20, campaign="before01", fallbacks=["second"])
    async with fleet_of(rig, CutOff(rig), healthy=1, chain=("times", "second")) as fleet:
        cut_off, healthy = fleet.workers
        cut_off.dispatcher._context.reach.note("times", [OUTCOMES[Failure.UNREACHABLE]])
        await asyncio.sleep(0.25)
        cut_off.dispatcher._context.reach.note("times", [OUTCOMES[Failure.UNREACHABLE]])
        await rig.issue(healthy)
        await eventually(lambda: len(rig.provider.arrived) == 20, within_s=WITHIN_S)
        await healthy.quiet()
        await rig.submit(20, batch_size=20, campaign="during01", fallbacks=["second"])
        await rig.issue(cut_off)
        await eventually(lambda: CloseReason.OUT_OF_REACH in cut_off.ended, within_s=WITHIN_S)
        await keep_up_until_sent(rig, fleet, "during01", 20)
    assert len(rig.provider.arrived) + len(rig.second_provider.arrived) == 40


async def test_a_worker_that_is_cut_off_from_one_provider_of_a_chain_uses_the_next_while_nobody_gets_an_answer(
    redis: Redis,
) -> None:
    rig = WorkerRig(redis, FakeProvider())
    cut_off = CutOff(rig)
    await rig.submit(100, batch_size=20, fallbacks=["second"])
    async with fleet_of(rig, cut_off, healthy=0, chain=("times", "second")) as fleet:
        await rig.issue(fleet.workers[0])
        await keep_up_until_sent(rig, fleet, "diwali01", 100)
    assert len(set(rig.second_provider.ids)) == len(rig.second_provider.ids) == 100
