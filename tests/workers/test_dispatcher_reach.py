"""A process that cannot reach a provider leaves the batches to processes that can."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.kit.workers import SENDER, FakeProvider, WorkerRig, until
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.provider.client import Client
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.push_errors import NotSent
from workers.batch.batch_run import BatchEnd
from workers.batch.timings import BatchTimings

TIMINGS = BatchTimings(lost_after_s=0.2, pass_on_after_s=0.02)


@pytest.mark.slow  # a back-off lasts half a second at least
async def test_the_batch_of_a_worker_that_is_cut_off_from_the_provider_is_sent_by_another(
    redis: Redis,
) -> None:
    rig, nobody = WorkerRig(redis, FakeProvider()), FakeProvider()
    nobody.reply = lambda _: NotSent(Failure.UNREACHABLE)
    await rig.submit(40, batch_size=20)
    async with (
        rig.worker(make_client=lambda description: Client(description, nobody), timings=TIMINGS) as cut_off,
        rig.worker(timings=TIMINGS) as other,
    ):
        await rig.issue(cut_off)
        async with asyncio.timeout(20):
            while await rig.count(MessageState.ACCEPTED) < 40:
                await rig.keep_up(cut_off, other)
                await asyncio.sleep(0.05)
        await until(lambda: not cut_off.dispatcher.figures()["batches"])
    assert BatchEnd.PROVIDER_LOST in cut_off.ended
    assert (await rig.view()).state is CampaignState.FINISHED
    assert len(set(rig.provider.ids)) == len(rig.provider.ids) == 40
    assert await rig.lease_count(SENDER) == 0


@pytest.mark.slow  # the same
async def test_a_lone_worker_goes_on_trying_and_sends_when_the_provider_is_back(redis: Redis) -> None:
    rig = WorkerRig(redis, FakeProvider())
    rig.provider.reply = lambda _: NotSent(Failure.REFUSED)
    await rig.submit(40, batch_size=20)
    async with rig.worker(timings=TIMINGS) as worker:
        await rig.issue(worker)
        await until(lambda: BatchEnd.PROVIDER_LOST in worker.ended)
        rig.provider.reply = lambda _: None
        async with asyncio.timeout(20):
            while await rig.count(MessageState.ACCEPTED) < 40:
                await rig.keep_up(worker)
                await asyncio.sleep(0.05)
