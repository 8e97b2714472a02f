"""The ledger records its schema, and a program that is too old for the ledger prints the remedy."""

import msgspec
import pytest
from redis.asyncio import Redis

from tests.kit.lanes import people, submit_in_lanes
from tests.kit.ledger import SENDER, Ledger
from times_dispatch.ledger.errors import CampaignNewer, LedgerNewer
from times_dispatch.ledger.keys import SCHEMA, CampaignField, campaign_key
from times_dispatch.ledger.model import TrackedLinks
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind, program_version
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.schema import MAJOR, MINOR, MINOR_WITH_LINKS_IN_LANES, minor_for, refuse_newer_ledger
from times_dispatch.ledger.scripts import text


async def record(redis: Redis, *, major: int, minor: int) -> None:
    await redis.hset(SCHEMA, mapping={"major": major, "minor": minor, "version": "9.0"})


async def recorded(redis: Redis) -> tuple[int, int, str]:
    major, minor, version = map(text, await redis.hmget(SCHEMA, ["major", "minor", "version"]))
    return int(major), int(minor), version


async def test_a_ledger_without_a_record_can_be_read_and_gets_one_from_the_first_process(redis: Redis) -> None:
    await refuse_newer_ledger(redis)
    assert not await redis.exists(SCHEMA)
    await Heartbeat(redis, ProcessKind.RECONCILER).beat()
    assert await recorded(redis) == (MAJOR, MINOR, program_version())
    await refuse_newer_ledger(redis)


@pytest.mark.parametrize(("major", "minor"), [(MAJOR - 1, MINOR + 5), (MAJOR, MINOR - 1)])
async def test_a_process_raises_an_older_schema(redis: Redis, major: int, minor: int) -> None:
    await record(redis, major=major, minor=minor)
    await Heartbeat(redis, ProcessKind.WORKER).beat()
    assert await recorded(redis) == (MAJOR, MINOR, program_version())


@pytest.mark.parametrize("kind", sorted(set(ProcessKind) - {"worker", "reconciler", "console"}))
async def test_a_process_that_does_not_change_the_ledger_raises_no_schema(redis: Redis, kind: ProcessKind) -> None:
    await record(redis, major=MAJOR, minor=MINOR - 1)
    await Heartbeat(redis, kind).beat()
    assert await recorded(redis) == (MAJOR, MINOR - 1, "9.0")
    await record(redis, major=MAJOR + 1, minor=0)
    with pytest.raises(LedgerNewer):
        await Heartbeat(redis, kind).beat()


async def test_a_process_works_with_a_newer_minor_schema_and_leaves_the_record(redis: Redis) -> None:
    await record(redis, major=MAJOR, minor=MINOR + 1)
    await refuse_newer_ledger(redis)
    await Heartbeat(redis, ProcessKind.WORKER).beat()
    assert await recorded(redis) == (MAJOR, MINOR + 1, "9.0")


async def test_a_newer_schema_ends_a_process_with_one_line_that_says_what_to_do(redis: Redis) -> None:
    await record(redis, major=MAJOR + 1, minor=0)
    with pytest.raises(LedgerNewer) as newer:
        await refuse_newer_ledger(redis)
    assert "\n" not in str(newer.value)
    assert "start that version, or restore the backup from before the upgrade" in str(newer.value)
    with pytest.raises(LedgerNewer):
        await Heartbeat(redis, ProcessKind.WORKER).beat()
    assert await recorded(redis) == (MAJOR + 1, 0, "9.0")


async def test_a_campaign_carries_the_schema_that_its_workers_need(ledger: Ledger) -> None:
    campaign = await ledger.submit(2)
    assert await ledger.redis.hget(campaign_key(SENDER, campaign), CampaignField.SCHEMA) == b"0"
    await ledger.redis.hset(campaign_key(SENDER, campaign), CampaignField.SCHEMA, MINOR)
    assert (await ledger.leases.plan(SENDER, campaign)).sender == SENDER
    await ledger.redis.hset(campaign_key(SENDER, campaign), CampaignField.SCHEMA, MINOR + 1)
    with pytest.raises(CampaignNewer, match=rf"needs workers of schema {MAJOR}\.{MINOR + 1} or later"):
        await ledger.leases.plan(SENDER, campaign)


async def test_a_campaign_of_an_earlier_version_needs_no_schema(ledger: Ledger) -> None:
    campaign = await ledger.submit(2)
    await ledger.redis.hdel(campaign_key(SENDER, campaign), CampaignField.SCHEMA)
    assert (await ledger.leases.plan(SENDER, campaign)).sender == SENDER


async def test_campaigns_in_lanes_need_workers_that_have_lanes(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(10), lanes=2)
    view = await Queries(redis).campaign(campaign)
    keys = [campaign_key(lane.plan.sender, lane.id) for lane in view.lanes]
    assert [await redis.hget(key, CampaignField.SCHEMA) for key in keys] == [b"1", b"1"]
    linked = msgspec.structs.replace(
        view.lanes[0].plan, tracked_links=TrackedLinks(prefix="", targets=[], key_digest="")
    )
    assert minor_for(linked) == MINOR_WITH_LINKS_IN_LANES
