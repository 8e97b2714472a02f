"""What India's rules change about submitting."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.errors import InputInvalid
from producers.submit import submit
from tests.producers.conftest import CAMPAIGN, SETTINGS, WriteFile, csv_of, people
from tests.producers.test_submit import Died, dying_after, only_campaign
from times_dispatch.ledger.optouts import OptOuts
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

NOON = datetime(2026, 11, 8, 6, 30, tzinfo=UTC)
"""In Kolkata."""
WITH_END = CAMPAIGN + "finish_by = 2026-11-08T13:00:00\n"


@pytest.fixture
def recipients(write: WriteFile) -> Path:
    """With batches of ten, three of them."""
    return write("customers.csv", csv_of(people(25)))


async def test_the_plan_in_the_ledger_says_when_and_how_much(
    write: WriteFile, recipients: Path, settings: Settings, redis: Redis
) -> None:
    lines = 'window = "09:00-18:30"\nmax_parts = 20\nmissed_start = "ask"\nstart_at = 2026-11-09T09:30:00\n'
    draft = Draft(write("c.toml", CAMPAIGN + lines), recipients, settings=settings)

    submitted = await submit(draft, settings=settings, redis=redis, now=NOON)

    plan = (await Queries(redis).campaign(submitted.campaign)).plan
    assert (plan.send_from_min, plan.send_until_min, plan.zone) == (540, 1110, "Asia/Kolkata")
    assert (plan.most_parts, plan.missed_start) == (20, "ask")
    assert submitted.warnings[0] == "it takes 25 parts and max_parts allows 20: what goes beyond is not sent"


async def test_what_the_cap_of_the_day_leaves_is_a_warning(
    write: WriteFile, recipients: Path, redis: Redis, redis_url: str
) -> None:
    text = SETTINGS.replace("rate_per_s = 500", "rate_per_s = 500\nmax_parts_per_day = 12")
    settings = load(write("dispatch.toml", text), {"DISPATCH_REDIS_URL": redis_url}, need=frozenset({Need.LEDGER}))
    today = datetime.now(ZoneInfo("Asia/Kolkata")).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    await redis.hset("{TIMESM}:pace", mapping={"day": today, "day_parts": 7})

    draft = Draft(write("c.toml", CAMPAIGN), recipients, settings=settings)
    submitted = await submit(draft, settings=settings, redis=redis)

    expire, beyond = submitted.warnings[:2]
    assert expire.startswith("it does not finish in time: about 8 messages would expire")
    assert beyond.startswith("it takes 25 parts and sender TIMESM may send 12 a day, of which 7 are used today")


async def test_what_can_not_be_sent_any_more_leaves_no_campaign(
    write: WriteFile, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(write("c.toml", WITH_END), recipients, settings=settings)

    with pytest.raises(InputInvalid, match="finish_by: is past"):
        await submit(draft, settings=settings, redis=redis, now=NOON + timedelta(hours=1))

    assert await Queries(redis).campaigns() == []


async def test_one_that_was_submitted_in_time_is_named_for_ever(
    write: WriteFile, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(write("c.toml", WITH_END), recipients, settings=settings)
    first = await submit(draft, settings=settings, redis=redis, now=NOON)

    again = await submit(draft, settings=settings, redis=redis, now=NOON + timedelta(days=30))

    assert (again.already, again.campaign) == (True, first.campaign)


async def test_one_that_broke_off_is_not_finished_when_it_is_too_late(
    write: WriteFile, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(write("c.toml", WITH_END), recipients, settings=settings)
    with pytest.raises(Died):
        await submit(draft, settings=settings, redis=redis, now=NOON, batch_size=10, progress=dying_after(1))

    with pytest.raises(InputInvalid, match="finish_by: is past"):
        await submit(draft, settings=settings, redis=redis, now=NOON + timedelta(hours=1))

    assert (await Queries(redis).campaign(await only_campaign(redis))).state is CampaignState.SUBMITTING


async def test_who_opts_out_between_two_runs_moves_no_message(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(campaign, recipients, settings=settings)
    with pytest.raises(Died):
        await submit(draft, settings=settings, redis=redis, batch_size=10, progress=dying_after(2))
    await OptOuts(redis).add(["919000000003", "919000000024"])

    submitted = await submit(draft, settings=settings, redis=redis)

    # What was stored stays as it was; the worker suppresses the other when its block is opened.
    assert (submitted.accepted, submitted.opted_out, submitted.resumed_batches) == (25, 1, 2)
    found = [message async for message in Queries(redis).messages(submitted.campaign)]
    assert [message.line for message in found] == list(range(2, 27))
    suppressed = [message for message in found if message.record.state is MessageState.SUPPRESSED]
    assert [(message.to, message.record.code) for message in suppressed] == [("919000000024", 31)]


async def test_who_leaves_the_list_between_two_runs_stays_suppressed_where_that_was_stored(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(campaign, recipients, settings=settings)
    await OptOuts(redis).add(["919000000003", "919000000024"])
    with pytest.raises(Died):
        await submit(draft, settings=settings, redis=redis, batch_size=10, progress=dying_after(2))
    await OptOuts(redis).remove(["919000000003", "919000000024"])

    submitted = await submit(draft, settings=settings, redis=redis)

    assert (submitted.accepted, submitted.opted_out, submitted.resumed_batches) == (25, 1, 2)
    counts = (await Queries(redis).campaign(submitted.campaign)).counts
    assert (counts[MessageState.SUPPRESSED], counts[MessageState.PENDING]) == (1, 24)


async def test_a_campaign_of_which_everything_is_suppressed_is_finished(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    await OptOuts(redis).add([f"9190000000{row:02}" for row in range(25)])

    submitted = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)

    view = await Queries(redis).campaign(submitted.campaign)
    assert (submitted.state, submitted.opted_out) == (view.state, 25) == (CampaignState.FINISHED, 25)
    assert (view.identity_holds, view.codes) == (True, {"suppressed:31": 25})


async def test_a_text_of_ones_own_is_stored_as_its_slots_values(
    write: WriteFile, settings: Settings, redis: Redis
) -> None:
    text = CAMPAIGN.replace(
        'variables = ["{name}", "Rs {amount}"]', 'text = "Dear {name}, your bill is Rs {amount}. - TIMESM"'
    )
    draft = Draft(write("c.toml", text), write("customers.csv", csv_of(people(2))), settings=settings)

    submitted = await submit(draft, settings=settings, redis=redis)

    found = [message.slots async for message in Queries(redis).messages(submitted.campaign)]
    assert found == [["Person 0", "Rs 0.50"], ["Person 1", "Rs 1.50"]]
