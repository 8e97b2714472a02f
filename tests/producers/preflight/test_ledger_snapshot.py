from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from producers.draft import Draft
from producers.preflight.ledger_snapshot import SenderSnapshot, take_snapshot
from producers.submit import submit
from tests.kit.producers import CAMPAIGN, WriteFile, csv_of, people
from times_dispatch.ledger.control import Control
from times_dispatch.settings.model import Settings

NOON = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
"""Noon in India."""


async def test_the_snapshot_has_the_parts_of_today(
    write: WriteFile, settings: Settings, campaign: Path, redis: Redis
) -> None:
    plan = (
        await submit(
            Draft(campaign, write("a.csv", csv_of(people(1))), settings=settings), settings=settings, redis=redis
        )
    ).plan
    today = datetime.now(ZoneInfo("Asia/Kolkata")).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    await redis.hset(f"{{{plan.sender}}}:sender", mapping={"day": today, "day_parts": 7})

    assert (await take_snapshot(redis, plan)).parts_today == 7


async def test_the_snapshot_says_why_the_sender_is_paused(
    write: WriteFile, settings: Settings, campaign: Path, redis: Redis
) -> None:
    draft = Draft(campaign, write("a.csv", csv_of(people(1))), settings=settings)
    plan = (await submit(draft, settings=settings, redis=redis)).plan
    control = Control(redis)

    assert (await take_snapshot(redis, plan)).stop_reason == ""
    await control.brake_provider(plan.sender, plan.chain[0], "no balance")
    assert (await take_snapshot(redis, plan)).stop_reason == f"provider {plan.chain[0]} is braked: no balance"
    await control.pause_sender(plan.sender)
    assert (await take_snapshot(redis, plan)).stop_reason == "it is paused"
    await control.pause_sender(plan.sender, reason="wrong price")
    assert (await take_snapshot(redis, plan)).stop_reason == "it is paused (wrong price)"


async def test_the_snapshot_of_an_unknown_sender_is_empty(redis: Redis, settings: Settings, write: WriteFile) -> None:
    campaign = Draft(write("c.toml", CAMPAIGN), write("a.csv", csv_of(people(1))), settings=settings).campaign

    assert await take_snapshot(redis, campaign.plan(NOON)) == SenderSnapshot()
