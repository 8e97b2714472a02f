"""A failover of the ledger while a campaign is sent: the workers continue with the new primary by themselves."""

import asyncio

import pytest

from tests.kit.failover import two_servers
from tests.kit.fake_provider import FakeProvider
from tests.kit.waiting import eventually
from tests.kit.workers import SENDER, WorkerRig
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.states import CampaignState


@pytest.mark.processes
async def test_a_campaign_goes_on_after_a_failover_and_no_message_is_sent_twice(provider: FakeProvider) -> None:
    async with two_servers() as failover, connect(failover.url) as redis:
        rig = WorkerRig(redis, provider)
        await rig.submit(300)
        async with rig.worker(rates={SENDER: 100}) as worker:
            await rig.issue(worker)
            await eventually(lambda: len(provider.ids) >= 50)
            await failover.happen()
            sent = len(provider.ids)
            await eventually(lambda: len(provider.ids) >= sent + 100, within_s=60)
            await worker.quiet(within_s=60)
        assert len(set(provider.ids)) == len(provider.ids) == 300
        assert await rig.states() == "a" * 300
        assert (await rig.view()).state is CampaignState.FINISHED
        await asyncio.wait_for(rig.check_counters(), 30)
