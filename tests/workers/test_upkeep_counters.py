"""The audit of counters: counters that do not add up to the total brake their campaign."""

from structlog.testing import capture_logs

from tests.kit.upkeep import Rounds
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.ledger.audit import Audit
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState


async def test_counters_that_do_not_add_up_are_logged_with_their_numbers_and_brake_the_campaign(
    rig: WorkerRig, rounds: Rounds
) -> None:
    await rig.submit(5)
    await rig.redis.hincrby(campaign_key(SENDER, CAMPAIGN), "p", -2)
    with capture_logs() as logs:
        await rounds.round()
    (line,) = [log for log in logs if log["event"] == "the counters do not add up to the total"]
    assert line["log_level"] == "error"
    assert (line["campaign"], line["total"], line["p"], line["a"]) == (CAMPAIGN, 5, 3, 0)
    view = await rig.view()
    assert (view.state, view.reason) == (
        CampaignState.BRAKED,
        "the counters do not add up to the total: 5 in all, but 3 pending",
    )
    await rig.redis.hincrby(campaign_key(SENDER, CAMPAIGN), "p", 2)


async def test_counters_that_do_not_add_up_without_any_event_are_logged_once(
    rig: WorkerRig,
) -> None:
    rounds = Rounds(rig.redis, audited_per_round=2)
    await rounds.pretend_rounds()
    campaigns = [await rig.submit(3, campaign=f"still{number:03}") for number in range(5)]
    await rig.control.campaign(SENDER, campaigns[0], ControlAction.CANCEL)
    await rounds.round()
    for campaign in (campaigns[0], campaigns[3]):
        await rig.redis.hincrby(campaign_key(SENDER, campaign), "a", 1)
    await rig.redis.hset("campaigns", "nothing0", SENDER)
    await rig.redis.set(campaign_key(SENDER, CampaignId("nothing0")), "not a hash")
    with capture_logs() as logs:
        for _ in range(9):
            await rounds.round()
    errors = [log for log in logs if log["log_level"] == "error"]
    assert sorted(log["campaign"] for log in errors if log["event"] == "the counters do not add up to the total") == [
        campaigns[0],
        campaigns[3],
    ]
    assert [log["campaign"] for log in errors if log["event"] == "damaged in the ledger"] == ["nothing0"]
    assert {(log["total"], log["a"]) for log in errors if "total" in log} == {(3, 1)}
    assert (await rig.view(campaigns[3])).state is CampaignState.BRAKED
    assert (await rig.view(campaigns[0])).state is CampaignState.CANCELLED
    await rig.control.campaign(SENDER, campaigns[3], ControlAction.RESUME)
    for _ in range(3):
        await rounds.round()
    assert (await rig.view(campaigns[3])).state is CampaignState.BRAKED
    await rig.redis.flushall()  # otherwise the fixture's check of the counters would fail


async def test_a_few_campaigns_are_audited_in_a_round_and_all_of_them_in_turn(rig: WorkerRig) -> None:
    campaigns = {await rig.submit(1, campaign=f"still{number:03}") for number in range(7)}
    audit = Audit(rig.redis)
    rounds = [[account.campaign for account in await audit.next_counters(3)] for _ in range(3)]
    assert [len(campaigns) for campaigns in rounds] == [3, 3, 1]
    assert {campaign for campaigns in rounds for campaign in campaigns} == campaigns
    assert len(await audit.next_counters(3)) == 3


async def test_counters_that_add_up_are_no_error(rig: WorkerRig, rounds: Rounds) -> None:
    await rig.submit(5)
    with capture_logs() as logs:
        await rounds.round()
        async with rig.worker() as worker:
            worker.wake(rounds.woken)
            await worker.quiet()
        await rounds.round()
    assert not [log for log in logs if log["log_level"] == "error"]
