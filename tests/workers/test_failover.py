"""A failover of the ledger while a campaign is sent: the workers go on with the new primary by themselves."""

import asyncio

from tests.kit.failover import two_servers
from tests.workers.conftest import SENDER, Gateway, House, until
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.states import CampaignState


async def test_a_campaign_goes_on_within_seconds_and_nothing_goes_twice(gateway: Gateway) -> None:
    async with two_servers() as failover, connect(failover.url) as redis:
        house = House(redis, gateway)
        await house.submit(300)
        async with house.worker(rates={SENDER: 100}) as worker:
            await house.issue(worker)
            await until(lambda: len(gateway.ids) >= 50)
            await failover.happen()
            sent = len(gateway.ids)
            await until(lambda: len(gateway.ids) >= sent + 100, within_s=8)
            await worker.quiet()
        assert len(set(gateway.ids)) == len(gateway.ids) == 300
        assert await house.states() == "a" * 300
        assert (await house.view()).state is CampaignState.FINISHED
        await asyncio.wait_for(house.balance(), 5)
