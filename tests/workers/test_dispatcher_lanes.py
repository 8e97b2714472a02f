"""Workers that send a campaign of a sender with lanes, on one Redis."""

from collections import Counter

from tests.kit.fake_provider import FakeProvider, answer
from tests.kit.lanes import people, submit_in_lanes
from tests.kit.waiting import eventually
from tests.kit.workers import SENDER, WorkerRig
from times_dispatch.demo.comparison import max_per_second
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState, MessageState

LANES = {"lanes": 4}


async def _keep_up(rig: WorkerRig, worker: object) -> None:
    for lane in lane_senders(SENDER, 4):
        await rig.keep_up(worker, sender=lane)  # type: ignore[arg-type]  # a Worker


async def test_every_message_goes_out_once_and_the_lanes_together_keep_the_rate(
    rig: WorkerRig, provider: FakeProvider
) -> None:
    async with rig.worker(rates={SENDER: 200.0}, sender_options=LANES) as worker:
        await eventually(lambda: rig.redis.hexists("{TIMESM}:sender", "rate"))
        campaign = await submit_in_lanes(rig.redis, people(500))

        async def is_finished() -> bool:
            await _keep_up(rig, worker)
            return (await rig.view(campaign)).state is CampaignState.FINISHED

        await eventually(is_finished, within_s=300)
        await worker.quiet()

    view = await rig.view(campaign)
    assert view.counts[MessageState.ACCEPTED] == view.total == len(provider.arrived) == 500
    assert set(Counter(push.to for push in provider.arrived).values()) == {1}
    assert {push.id[:8] for push in provider.arrived} == {lane.id for lane in view.lanes}
    times_ms = sorted(
        [
            lane.created_ms + message.record.sent_ms
            for lane in view.lanes
            for number in range(lane.batches)
            async for message in rig.queries.batch(lane, number)
        ]
    )
    assert max_per_second(times_ms) <= 210
    assert (await rig.queries.sender(SENDER)).rate_per_s == 200


async def test_a_pause_stops_all_lanes_and_a_resume_goes_on_with_all(rig: WorkerRig, provider: FakeProvider) -> None:
    async with rig.worker(rates={SENDER: 100.0}, sender_options=LANES) as worker:
        await eventually(lambda: rig.redis.hexists("{TIMESM}:sender", "rate"))
        campaign = await submit_in_lanes(rig.redis, people(300))
        await _keep_up(rig, worker)
        await eventually(lambda: len(provider.arrived) > 20)
        control = Control(rig.redis)

        assert await control.campaign(SENDER, campaign, ControlAction.PAUSE) == (True, CampaignState.PAUSED)
        await worker.quiet()
        paused_at = len(provider.arrived)
        await _keep_up(rig, worker)
        await worker.quiet()
        assert len(provider.arrived) == paused_at < 300
        assert await control.campaign(SENDER, campaign, ControlAction.RESUME) == (True, CampaignState.RUNNING)

        async def is_finished() -> bool:
            await _keep_up(rig, worker)
            return (await rig.view(campaign)).state is CampaignState.FINISHED

        await eventually(is_finished, within_s=300)
        await worker.quiet()
    assert len(provider.arrived) == len(set(provider.ids)) == 300


async def test_the_same_text_goes_to_a_number_once_whatever_its_lane(rig: WorkerRig, provider: FakeProvider) -> None:
    async with rig.worker(rates={SENDER: 0.0}, sender_options={**LANES, "repeat_after": "30m"}) as worker:
        await eventually(lambda: rig.redis.hexists("{TIMESM}:sender", "rate"))
        for campaign in ("first001", "again001"):
            claimed = await submit_in_lanes(rig.redis, people(60), campaign=campaign)

            async def is_finished(campaign: str = claimed) -> bool:
                await _keep_up(rig, worker)
                return (await rig.view(campaign)).state is CampaignState.FINISHED  # type: ignore[arg-type]

            await eventually(is_finished, within_s=300)
            await worker.quiet()
    assert len(provider.arrived) == 60
    assert (await rig.view(claimed)).counts[MessageState.SUPPRESSED] == 60


async def test_messages_in_doubt_of_all_lanes_are_resolved_at_once(rig: WorkerRig, provider: FakeProvider) -> None:
    async with rig.worker(rates={SENDER: 0.0}, sender_options={**LANES, "repeat_after": "0m"}) as worker:
        await eventually(lambda: rig.redis.hexists("{TIMESM}:sender", "rate"))
        campaign = await submit_in_lanes(rig.redis, people(60))
        provider.reply = lambda _: answer({}, 500)

        async def is_finished() -> bool:
            await _keep_up(rig, worker)
            return (await rig.view(campaign)).state is CampaignState.FINISHED

        await eventually(is_finished, within_s=300)
        await worker.quiet()
        assert await rig.count(MessageState.IN_DOUBT, campaign) == 60

        provider.reply = lambda _: None
        assert await Control(rig.redis).resolve(SENDER, campaign, "resend") == 60
        await eventually(is_finished, within_s=300)
        await worker.quiet()
    assert await rig.count(MessageState.ACCEPTED, campaign) == 60
