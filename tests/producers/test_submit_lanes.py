"""The submit of a campaign whose sender has lanes, when the submit is interrupted and run again."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.submit import submit
from tests.kit.producers import SETTINGS, ProcessDied, WriteFile, csv_of, die_after, load_settings, people
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.states import CampaignState
from times_dispatch.settings.model import Settings

ROWS = 60


@pytest.fixture
def laned(write: WriteFile, redis_url: str) -> Settings:
    return load_settings(
        write("dispatch.toml", SETTINGS.replace("rate_per_s = 500", "rate_per_s = 500\nlanes = 3")), redis_url
    )


@pytest.mark.parametrize("batches", [1, 4, 7])
async def test_a_submit_in_lanes_that_died_sends_nothing_and_is_finished_by_running_it_again(
    campaign: Path, write: WriteFile, laned: Settings, redis: Redis, batches: int
) -> None:
    recipients = write("customers.csv", csv_of(people(ROWS)))
    with pytest.raises(ProcessDied):
        await submit(
            Draft(campaign, recipients, settings=laned),
            settings=laned,
            redis=redis,
            batch_size=10,
            progress=die_after(batches),
        )
    assert {view.state for view in await LaneQueries(redis).campaigns()} == {CampaignState.SUBMITTING}

    result = await submit(Draft(campaign, recipients, settings=laned), settings=laned, redis=redis, batch_size=10)

    assert (result.accepted, result.state, result.already_submitted) == (ROWS, CampaignState.RUNNING, False)
    assert result.resumed_batches >= batches - 1
    messages = [message async for message in Queries(redis).messages(result.campaign)]
    assert sorted(message.line for message in messages) == list(range(2, ROWS + 2))
    lanes = (await Queries(redis).campaign(result.campaign)).lanes
    assert [lane.plan.sender for lane in lanes] == list(lane_senders(SenderId("TIMESM"), 3))
    assert {lane.state for lane in lanes} == {CampaignState.RUNNING}


async def test_a_submit_that_died_goes_on_in_its_lanes_after_the_settings_got_more(
    campaign: Path, write: WriteFile, laned: Settings, redis: Redis, redis_url: str
) -> None:
    recipients = write("customers.csv", csv_of(people(ROWS)))
    with pytest.raises(ProcessDied):
        await submit(
            Draft(campaign, recipients, settings=laned),
            settings=laned,
            redis=redis,
            batch_size=10,
            progress=die_after(4),
        )
    more = load_settings(
        write("dispatch.toml", SETTINGS.replace("rate_per_s = 500", "rate_per_s = 500\nlanes = 6")), redis_url
    )

    result = await submit(Draft(campaign, recipients, settings=more), settings=more, redis=redis, batch_size=10)

    view = await Queries(redis).campaign(result.campaign)
    assert (view.total, len(view.lanes), view.state) == (ROWS, 3, CampaignState.RUNNING)
    assert (await Queries(redis).sender(SenderId("TIMESM"))).lanes == 6
    assert (await Queries(redis).sender(SenderId("TIMESM"))).rate_per_s == 500


async def test_a_campaign_of_fewer_rows_than_lanes_is_whole(
    campaign: Path, write: WriteFile, laned: Settings, redis: Redis
) -> None:
    recipients = write("customers.csv", csv_of(people(1)))
    result = await submit(Draft(campaign, recipients, settings=laned), settings=laned, redis=redis)
    view = await Queries(redis).campaign(result.campaign)
    assert (view.total, view.state, result.state) == (1, CampaignState.RUNNING, CampaignState.RUNNING)
    assert sorted(lane.total for lane in view.lanes) == [0, 0, 1]
