"""Submits with hours, budgets, daily limits, opted-out numbers and texts of the campaign's own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.errors import InputInvalid
from producers.submit import submit
from tests.kit.producers import (
    CAMPAIGN,
    SETTINGS,
    ProcessDied,
    WriteFile,
    csv_of,
    die_after,
    only_campaign,
    people,
)
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

NOON = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
"""Noon in India."""
WITH_END = CAMPAIGN + "finish_by = 2026-11-08T13:00:00\n"


async def test_the_plan_in_the_ledger_has_the_hours_and_the_budget(
    write: WriteFile, recipients: Path, settings: Settings, redis: Redis
) -> None:
    lines = 'window = "09:00-18:30"\nmax_parts = 20\nmissed_start = "ask"\nstart_at = 2026-11-09T09:30:00\n'
    draft = Draft(write("c.toml", CAMPAIGN + lines), recipients, settings=settings)

    submitted = await submit(draft, settings=settings, redis=redis, now=NOON)

    plan = (await Queries(redis).campaign(submitted.campaign)).plan
    assert (plan.send_from_min, plan.send_until_min, plan.zone) == (540, 1110, "Asia/Kolkata")
    assert (plan.max_parts, plan.missed_start) == (20, "ask")
    assert (
        submitted.warnings[0] == "the campaign takes 25 parts and max_parts allows 20: the remaining parts are not sent"
    )


async def test_messages_beyond_the_daily_limit_are_a_warning_of_submit(
    write: WriteFile, recipients: Path, redis: Redis, redis_url: str
) -> None:
    text = SETTINGS.replace("rate_per_s = 500", "rate_per_s = 500\nmax_parts_per_day = 12")
    settings = load(write("dispatch.toml", text), {"DISPATCH_REDIS_URL": redis_url}, need=frozenset({Need.LEDGER}))
    today = datetime.now(ZoneInfo("Asia/Kolkata")).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    await redis.hset("{TIMESM}:sender", mapping={"day": today, "day_parts": 7})

    draft = Draft(write("c.toml", CAMPAIGN), recipients, settings=settings)
    submitted = await submit(draft, settings=settings, redis=redis)

    expire, beyond = submitted.warnings[:2]
    assert expire.startswith("the campaign does not finish in time: about 8 messages would expire")
    assert beyond.startswith(
        "the campaign takes 25 parts and sender TIMESM may send 12 a day, of which 7 are used today"
    )


async def test_a_campaign_that_is_over_is_not_stored(
    write: WriteFile, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(write("c.toml", WITH_END), recipients, settings=settings)

    with pytest.raises(InputInvalid, match="finish_by: is past"):
        await submit(draft, settings=settings, redis=redis, now=NOON + timedelta(hours=1))

    assert await Queries(redis).campaigns() == []


async def test_a_finished_submit_is_recognised_after_its_end(
    write: WriteFile, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(write("c.toml", WITH_END), recipients, settings=settings)
    first = await submit(draft, settings=settings, redis=redis, now=NOON)

    again = await submit(draft, settings=settings, redis=redis, now=NOON + timedelta(days=30))

    assert (again.already_submitted, again.campaign) == (True, first.campaign)


async def test_a_submit_that_broke_off_is_not_finished_when_it_is_too_late(
    write: WriteFile, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(write("c.toml", WITH_END), recipients, settings=settings)
    with pytest.raises(ProcessDied):
        await submit(draft, settings=settings, redis=redis, now=NOON, batch_size=10, progress=die_after(1))

    with pytest.raises(InputInvalid, match="finish_by: is past"):
        await submit(draft, settings=settings, redis=redis, now=NOON + timedelta(hours=1))

    assert (await Queries(redis).campaign(await only_campaign(redis))).state is CampaignState.SUBMITTING


async def test_an_opt_out_between_two_runs_moves_no_message(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(campaign, recipients, settings=settings)
    with pytest.raises(ProcessDied):
        await submit(draft, settings=settings, redis=redis, batch_size=10, progress=die_after(2))
    await OptOuts(redis).add(["919000000003", "919000000024"])

    submitted = await submit(draft, settings=settings, redis=redis)

    # Stored rows stay as they were; a worker suppresses the other opted-out message when its block is opened.
    assert (submitted.accepted, submitted.opted_out, submitted.resumed_batches) == (25, 1, 2)
    messages = [message async for message in Queries(redis).messages(submitted.campaign)]
    assert [message.line for message in messages] == list(range(2, 27))
    suppressed = [message for message in messages if message.record.state is MessageState.SUPPRESSED]
    assert [(message.to, message.record.code) for message in suppressed] == [("919000000024", 31)]


async def test_a_number_removed_from_the_opt_out_list_between_two_runs_stays_suppressed(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(campaign, recipients, settings=settings)
    await OptOuts(redis).add(["919000000003", "919000000024"])
    with pytest.raises(ProcessDied):
        await submit(draft, settings=settings, redis=redis, batch_size=10, progress=die_after(2))
    await OptOuts(redis).remove(["919000000003", "919000000024"])

    submitted = await submit(draft, settings=settings, redis=redis)

    assert (submitted.accepted, submitted.opted_out, submitted.resumed_batches) == (25, 1, 2)
    counts = (await Queries(redis).campaign(submitted.campaign)).counts
    assert (counts[MessageState.SUPPRESSED], counts[MessageState.PENDING]) == (1, 24)


async def test_a_campaign_whose_messages_are_all_suppressed_is_finished(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    await OptOuts(redis).add([f"9190000000{row:02}" for row in range(25)])

    submitted = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)

    view = await Queries(redis).campaign(submitted.campaign)
    assert (submitted.state, submitted.opted_out) == (view.state, 25) == (CampaignState.FINISHED, 25)
    assert (view.counters_add_up, view.codes) == (True, {"suppressed:31": 25})


async def test_the_campaigns_own_text_is_stored_as_the_values_of_the_slots(
    write: WriteFile, settings: Settings, redis: Redis
) -> None:
    text = CAMPAIGN.replace(
        'variables = ["{name}", "Rs {amount}"]', 'text = "Dear {name}, your bill is Rs {amount}. - TIMESM"'
    )
    draft = Draft(write("c.toml", text), write("customers.csv", csv_of(people(2))), settings=settings)

    submitted = await submit(draft, settings=settings, redis=redis)

    messages = [message.slots async for message in Queries(redis).messages(submitted.campaign)]
    assert messages == [["Person 0", "Rs 0.50"], ["Person 1", "Rs 1.50"]]
