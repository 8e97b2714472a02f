import pytest
from redis.asyncio import Redis

from tests.kit.lanes import people, submit_in_lanes
from tests.kit.workers import SENDER
from times_dispatch.alerts.observation import Observer
from times_dispatch.ledger.campaigns.pages import CampaignFilter, CampaignPages
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.lanes.whole import whole_state
from times_dispatch.ledger.monitoring.alerts import Watched
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState as S
from times_dispatch.metrics.reader import read_snapshot
from times_dispatch.status.reader import read_status


@pytest.mark.parametrize(
    ("lanes", "whole"),
    [
        ([S.RUNNING, S.FINISHED], S.RUNNING),
        ([S.FINISHED, S.FINISHED], S.FINISHED),
        ([S.RUNNING, S.PAUSED], S.PAUSED),
        ([S.PAUSED, S.BRAKED, S.RUNNING], S.BRAKED),
        ([S.PAUSED, S.FINISHED], S.PAUSED),
        ([S.CANCELLED, S.FINISHED], S.CANCELLED),
        ([S.CANCELLED, S.RUNNING], S.CANCELLED),
        ([S.SUBMITTING, S.SUBMITTING], S.SUBMITTING),
        ([S.RUNNING, S.SUBMITTING], S.SUBMITTING),
        ([S.CANCELLED, S.SUBMITTING], S.CANCELLED),
    ],
)
def test_a_stop_of_one_lane_is_the_state_of_the_campaign(lanes: list[S], whole: S) -> None:
    assert whole_state(lanes) is whole
    assert whole_state(lanes[::-1]) is whole


async def test_metrics_alerts_status_and_pages_speak_of_one_sender_and_one_campaign(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))

    async def no_queues() -> dict[str, int]:
        return {}

    snapshot = await read_snapshot(redis, no_queues, days=1, max_memory_share=1.0)
    assert snapshot.ledger
    works = snapshot.ledger.senders
    assert [(work.view.id, work.pending, sum(work.campaigns.values())) for work in works] == [(SENDER, 100, 1)]
    observed = await Observer(redis).observe(Watched())
    assert [view.id for view in observed.live] == [campaign]
    assert [view.id for view in observed.senders] == [SENDER]
    page = await CampaignPages(redis).page(CampaignFilter())
    assert ([view.id for view in page.campaigns], page.total) == ([campaign], 1)
    await Control(redis).campaign(SENDER, campaign, ControlAction.PAUSE)
    await Control(redis).pause_sender(SENDER)
    stops = [stop.subject for stop in (await read_status(redis, no_queues)).stops]
    assert stops == ["sender TIMESM", f"campaign {campaign} (diwali-sale)"]


async def test_a_campaign_in_lanes_that_is_cancelled_is_seen_as_ended_by_alerts(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    before = await Observer(redis).observe(Watched())
    assert before.watched.live == {SENDER: [campaign]}
    await Control(redis).campaign(SENDER, campaign, ControlAction.CANCEL)
    after = await Observer(redis).observe(before.watched)
    assert (after.live, after.watched.live) == ([], {})
