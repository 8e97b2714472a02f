from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from console.now_data import STATUS_EVERY_S, NowReader
from tests.kit.clock import FakeClock
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.demo.local_ports import free_port
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import CampaignField, campaign_key
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState


async def _queues() -> dict[str, int]:
    return {}


async def test_a_rate_is_that_of_the_last_seconds(redis: Redis, ledger: Ledger) -> None:
    clock = FakeClock(auto=True)
    reader = NowReader(redis, _queues, clock=clock)
    await ledger.submit(6, batch_size=6, rate_per_s=2.0)
    [campaign] = (await reader.read()).campaigns
    assert campaign.rate_per_s is None
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, 1), b"a")
    await clock.sleep(10)
    now = await reader.read()
    [campaign] = now.campaigns
    assert campaign.view.id == CAMPAIGN
    assert campaign.rate_per_s == 0.1
    assert campaign.left_s == 50
    assert campaign.limit_per_s == 2
    assert [(sender.rate_per_s, sender.unsent) for sender in now.senders] == [(0.1, 5)]


async def test_stopped_campaigns_come_first_and_need_a_person(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(3, campaign="braked01")
    await ledger.submit(3, campaign="running1")
    await ledger.control.campaign(SENDER, CampaignId("braked01"), ControlAction.BRAKE, reason="too many rejected")
    now = await NowReader(redis, _queues).read()
    assert [item.view.id for item in now.campaigns] == ["braked01", "running1"]
    assert any("braked01" in finding.problem for finding in now.needs_person)


async def test_many_live_campaigns_are_counted_and_the_first_get_a_card(redis: Redis, ledger: Ledger) -> None:
    for number in range(23):
        await ledger.submit(1, campaign=f"c{number:07}")
    now = await NowReader(redis, _queues).read()
    assert (now.live, len(now.campaigns), now.not_shown, now.unsent) == (23, 20, 3, 23)


async def test_without_redis_the_data_says_so() -> None:
    async with connect(f"redis://127.0.0.1:{free_port()}/0", retries=0) as nowhere:
        now = await NowReader(nowhere, _queues).read()
    assert now.status.redis is None
    assert now.needs_person


async def test_the_status_is_read_less_often_than_the_campaigns_and_at_once_when_something_stops(
    redis: Redis, ledger: Ledger
) -> None:
    clock = FakeClock()
    reader = NowReader(redis, _queues, clock=clock)
    await ledger.submit(3)
    first = await reader.read()
    await ledger.open(await ledger.take(), max_messages=1)
    await clock.advance(STATUS_EVERY_S / 2)
    second = await reader.read()
    assert second.status is first.status
    assert second.campaigns != first.campaigns
    assert second.at_ms > first.at_ms
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.BRAKE, reason="too many rejected")
    third = await reader.read()
    assert any(CAMPAIGN in finding.problem for finding in third.needs_person)
    await clock.advance(STATUS_EVERY_S)
    assert (await reader.read()).status is not third.status


async def test_a_redis_that_goes_away_between_two_readings_of_the_status_is_told(redis: Redis, ledger: Ledger) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RedisConnectionError

    reader = NowReader(redis, _queues, clock=FakeClock())
    await ledger.submit(3)
    assert (await reader.read()).campaigns
    redis.execute_command = broken  # type: ignore[method-assign]
    try:
        now = await reader.read()
    finally:
        del redis.execute_command
    assert now.status.redis is None
    assert now.needs_person
    assert (await reader.read()).campaigns


async def test_a_reading_costs_a_few_commands_for_each_sender_however_often_it_is_read(
    redis: Redis, ledger: Ledger
) -> None:
    for number in range(10):
        await ledger.submit(1, campaign=f"c{number:07}", sender=f"SEND{number:02}")
    reader = NowReader(redis, _queues, clock=FakeClock())
    await reader.read()
    before = (await redis.info("stats"))["total_commands_processed"]
    assert len((await reader.read()).campaigns) == 10
    commands = (await redis.info("stats"))["total_commands_processed"] - before
    # For each sender: counters, live and ended campaigns, a script with two commands, each campaign with its codes.
    assert commands <= 15 * 10


async def test_so_many_campaigns_are_live_that_most_get_no_card(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(3, campaign="braked01")
    await ledger.control.campaign(SENDER, CampaignId("braked01"), ControlAction.BRAKE, reason="too many rejected")
    await ledger.submit(3, campaign="sending1", rate_per_s=2.0)
    for number in range(60):
        await ledger.submit(2, campaign=f"c{number:07}")
        if number >= 30:
            await ledger.control.campaign(SENDER, CampaignId(f"c{number:07}"), ControlAction.PAUSE)
    clock = FakeClock()
    reader = NowReader(redis, _queues, clock=clock)
    await redis.config_resetstat()
    now = await reader.read()
    whole_views = (await redis.info("commandstats"))["cmdstat_hgetall"]["calls"]
    assert (now.live, len(now.campaigns), now.not_shown) == (62, 20, 42)
    assert whole_views <= 2 * len(now.campaigns) + 10, "only shown campaigns are read whole, each with its codes"
    assert now.campaigns[0].view.id == "braked01", "a campaign that needs a person is first, however old"
    assert {item.view.state for item in now.campaigns[1:]} == {CampaignState.PAUSED}
    assert any("braked01" in finding.problem for finding in now.needs_person)
    assert now.unsent == sum(view.unsent for view in await ledger.queries.live(SENDER)) == 126
    assert [(sender.unsent, sender.view.id) for sender in now.senders] == [(126, SENDER)]


async def test_campaigns_that_send_get_a_card_before_newer_ones_that_wait(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    lease = await ledger.take()
    for number in range(25):
        await ledger.submit(1, campaign=f"c{number:07}")
    clock = FakeClock()
    reader = NowReader(redis, _queues, clock=clock)
    assert CAMPAIGN not in {item.view.id for item in (await reader.read()).campaigns}
    await ledger.record(lease, await ledger.open(lease, 1), b"a")
    await clock.advance(10)
    now = await reader.read()
    assert [(item.view.id, item.rate_per_s) for item in now.campaigns][-1] == (CAMPAIGN, 0.1)
    assert len(now.campaigns) == 20


async def test_a_campaign_whose_card_cannot_be_read_is_named(redis: Redis, ledger: Ledger) -> None:
    for campaign in ("goodgood", "badbad00"):
        await ledger.submit(3, campaign=campaign)
    key = campaign_key(SENDER, CampaignId("badbad00"))
    batches = await redis.hget(key, CampaignField.BATCHES)
    await redis.hdel(key, CampaignField.BATCHES)
    reader = NowReader(redis, _queues)
    for _ in range(2):
        now = await reader.read()
        assert ([item.view.id for item in now.campaigns], now.live) == (["goodgood"], 2)
        assert [each.problem for each in now.needs_person if "badbad00" in each.problem] == [
            "campaigns that cannot be read: badbad00"
        ]
    await redis.hset(key, CampaignField.BATCHES, batches)
    assert not any("badbad00" in each.problem for each in (await reader.read()).needs_person)
