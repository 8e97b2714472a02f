import asyncio
import csv
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone

from producers.draft import Draft, RowPass
from producers.errors import CommandFailed, InputInvalid
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
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.queries import MessageView, Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

NOW = datetime(2026, 11, 8, 4, 30, tzinfo=UTC)


async def stored(redis: Redis, campaign: CampaignId) -> list[MessageView]:
    return [message async for message in Queries(redis).messages(campaign)]


async def test_every_good_row_becomes_a_message_in_the_order_of_the_rows(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(campaign, recipients, settings=settings)

    submitted = await submit(draft, settings=settings, redis=redis, batch_size=10, now=NOW)

    view = await Queries(redis).campaign(submitted.campaign)
    assert (view.state, view.total, view.batches) == (CampaignState.RUNNING, 25, 3)
    assert view.counts[MessageState.PENDING] == 25
    assert view.plan == submitted.plan == draft.campaign.plan(NOW)
    messages = await stored(redis, submitted.campaign)
    assert [(message.index, message.line) for message in messages] == [(n, n + 2) for n in range(25)]
    assert [message.to for message in messages] == [f"91{9_000_000_000 + n}" for n in range(25)]
    assert messages[7].slots == ["Person 7", "Rs 7.50"]
    assert (submitted.accepted, submitted.refused, submitted.rejects) == (25, {}, None)
    assert (submitted.gsm_messages, submitted.gsm_parts, submitted.ucs2_messages) == (25, 25, 0)
    assert not list(recipients.parent.glob("*rejects*"))


async def test_refused_rows_are_counted_and_written_and_the_others_are_sent(
    campaign: Path, write: WriteFile, settings: Settings, redis: Redis
) -> None:
    rows = people(6)
    rows[1] = ("123", "Bad number", "1")
    rows[3] = (rows[0][0], "Twice", "1")
    rows[4] = (rows[4][0], "आशा", "2")
    recipients = write("customers.csv", csv_of([*rows, ("9", "ragged", "x", "y")]))

    submitted = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)

    assert submitted.accepted == 4
    assert (submitted.ucs2_messages, submitted.ucs2_parts) == (1, 1)
    assert sum(submitted.refused.values()) == 3
    assert submitted.rejects == recipients.with_name("customers.rejects.csv")
    with submitted.rejects.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.reader(file))
    assert [(row[0], row[4:]) for row in table] == [
        ("line", ["to", "name", "amount"]),
        ("3", ["123", "Bad number", "1"]),
        ("5", [rows[0][0], "Twice", "1"]),
        ("8", ["9", "ragged", "x", "y"]),
    ]


async def test_a_corrected_rejects_file_can_be_submitted(
    campaign: Path, write: WriteFile, settings: Settings, redis: Redis
) -> None:
    recipients = write("customers.csv", csv_of([*people(2), ("12", "Asha", "5")]))
    first = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)
    assert first.rejects
    first.rejects.write_bytes(first.rejects.read_bytes().replace(b",12,", b",9876543210,"))

    second = await submit(Draft(campaign, first.rejects, settings=settings), settings=settings, redis=redis)

    assert [message.to for message in await stored(redis, second.campaign)] == ["919876543210"]


async def test_the_same_files_are_submitted_once(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    first = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)
    second = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)
    again = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis, salt="again")

    assert (second.campaign, second.already_submitted, second.state) == (first.campaign, True, CampaignState.RUNNING)
    assert again.campaign != first.campaign
    assert not again.already_submitted
    assert {view.id: view.total for view in await Queries(redis).campaigns()} == {
        first.campaign: 25,
        again.campaign: 25,
    }


async def test_a_file_with_one_changed_byte_is_another_submit(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis, write: WriteFile
) -> None:
    first = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)
    write("campaign.toml", CAMPAIGN + "\n")
    second = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)

    assert second.campaign != first.campaign


@pytest.mark.parametrize("batches", [1, 2, 3])
async def test_a_submit_that_died_sends_nothing_and_is_finished_by_running_it_again(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis, batches: int
) -> None:
    draft = Draft(campaign, recipients, settings=settings)
    with pytest.raises(ProcessDied):
        await submit(draft, settings=settings, redis=redis, batch_size=10, now=NOW, progress=die_after(batches))
    unfinished = await Queries(redis).campaign(await only_campaign(redis))
    assert (unfinished.state, unfinished.batches) == (CampaignState.SUBMITTING, batches)

    submitted = await submit(
        Draft(campaign, recipients, settings=settings),
        settings=settings,
        redis=redis,
        batch_size=7,  # the stored batch size is used
        now=NOW + timedelta(hours=1),
    )

    assert (submitted.campaign, submitted.resumed_batches) == (unfinished.id, batches)
    assert submitted.plan.valid_until_ms == unfinished.plan.valid_until_ms
    view = await Queries(redis).campaign(unfinished.id)
    assert (view.state, view.total, view.batches) == (CampaignState.RUNNING, 25, 3)
    assert [message.line for message in await stored(redis, unfinished.id)] == list(range(2, 27))


@pytest.mark.parametrize(
    "change", [('category = "service"', 'category = "government"'), ("is {#var#}.", "is {#var#}!")]
)
async def test_changed_settings_stop_an_unfinished_submit(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis, *, write: WriteFile, change: tuple[str, str]
) -> None:
    with pytest.raises(ProcessDied):
        await submit(
            Draft(campaign, recipients, settings=settings),
            settings=settings,
            redis=redis,
            batch_size=10,
            progress=die_after(1),
        )
    changed = load(
        write("dispatch.toml", SETTINGS.replace(*change)),
        {"DISPATCH_REDIS_URL": settings.redis_url},
        need=frozenset({Need.LEDGER}),
    )

    with pytest.raises(InputInvalid, match="the settings have changed since its submit broke off"):
        await submit(Draft(campaign, recipients, settings=changed), settings=changed, redis=redis, batch_size=10)

    assert (await Queries(redis).campaign(await only_campaign(redis))).state is CampaignState.SUBMITTING


async def test_settings_that_move_rows_between_batches_stop_an_unfinished_submit(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis, write: WriteFile
) -> None:
    """Otherwise a person of a stored batch would be in the next batch as well."""
    with pytest.raises(ProcessDied):
        await submit(
            Draft(campaign, recipients, settings=settings),
            settings=settings,
            redis=redis,
            batch_size=15,
            progress=die_after(1),
        )
    stricter = load(
        write("dispatch.toml", SETTINGS.replace("[templates.plain]", "max_value_length = 8\n[templates.plain]")),
        {"DISPATCH_REDIS_URL": settings.redis_url},
        need=frozenset({Need.LEDGER}),
    )

    with pytest.raises(InputInvalid, match="the settings have changed"):
        await submit(Draft(campaign, recipients, settings=stricter), settings=stricter, redis=redis, batch_size=15)


async def test_a_submit_whose_validity_has_ended_is_not_finished(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    draft = Draft(campaign, recipients, settings=settings)
    with pytest.raises(ProcessDied):
        await submit(draft, settings=settings, redis=redis, batch_size=10, now=NOW, progress=die_after(1))

    with pytest.raises(InputInvalid, match="its validity has ended"):
        await submit(draft, settings=settings, redis=redis, now=NOW + timedelta(hours=24))
    submitted = await submit(draft, settings=settings, redis=redis, now=NOW + timedelta(hours=24, seconds=-1))
    assert submitted.state is CampaignState.RUNNING


@pytest.mark.parametrize("which", ["customers.csv", "campaign.toml"])
async def test_a_file_that_changes_while_it_is_read_stops_before_the_seal(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis, which: str
) -> None:
    path = campaign.with_name(which)

    def change(row_pass: RowPass) -> None:
        path.write_bytes(path.read_bytes() + b"\n")

    with pytest.raises(CommandFailed, match="a file changed while it was read; nothing is sent"):
        await submit(
            Draft(campaign, recipients, settings=settings),
            settings=settings,
            redis=redis,
            batch_size=10,
            progress=change,
        )

    assert (await Queries(redis).campaign(await only_campaign(redis))).state is CampaignState.SUBMITTING
    assert not list(recipients.parent.glob("*rejects*"))


async def test_without_a_good_row_there_is_a_rejects_file_and_no_campaign(
    campaign: Path, write: WriteFile, settings: Settings, redis: Redis
) -> None:
    recipients = write("customers.csv", csv_of([("12", "Asha", "5"), ("9876543210", "", "5")]))

    with pytest.raises(InputInvalid) as refused:
        await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)

    assert "no row can be used" in str(refused.value)
    assert str(recipients.with_name("customers.rejects.csv")) in str(refused.value)
    assert recipients.with_name("customers.rejects.csv").exists()
    assert await redis.dbsize() == 0


async def test_submit_stores_the_senders_rate(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    submitted = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)

    assert (await Queries(redis).sender(submitted.plan.sender)).rate_per_s == 500


async def test_workers_are_woken_for_the_first_batches(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    submitted = await submit(
        Draft(campaign, recipients, settings=settings), settings=settings, redis=redis, batch_size=10
    )

    assert submitted.warnings == ()
    wake_ups = await redis.lrange("bulk", 0, -1)
    assert len(wake_ups) == (await Queries(redis).sender(submitted.plan.sender)).batches_out > 0
    args = [json.loads(b64decode(json.loads(wake_up)["body"]))[0] for wake_up in wake_ups]
    assert sorted(args) == [["TIMESM", submitted.campaign, number] for number in range(len(wake_ups))]


@pytest.fixture
def no_broker() -> str:
    """The address of a broker that is gone."""
    with EmbeddedServer() as server:
        return server.url


@pytest.mark.processes
async def test_a_broker_that_is_away_is_only_a_warning(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis, *, no_broker: str, write: WriteFile
) -> None:
    away = load(
        write("dispatch.toml", SETTINGS),
        {"DISPATCH_REDIS_URL": settings.redis_url, "DISPATCH_BROKER_URL": no_broker},
        need=frozenset({Need.LEDGER}),
    )

    submitted = await submit(Draft(campaign, recipients, settings=away), settings=away, redis=redis)

    assert submitted.state is CampaignState.RUNNING
    assert submitted.warnings == ("the broker cannot be reached; upkeep wakes the workers later",)


async def test_a_submit_that_lost_the_ledger_can_be_finished(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        async def gone(*_: object, **__: object) -> None:
            raise RedisGone

        patch.setattr(Submissions, "seal", gone)
        with pytest.raises(RedisGone):
            await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)

    submitted = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)

    assert (submitted.state, submitted.accepted, submitted.resumed_batches) == (CampaignState.RUNNING, 25, 1)


async def test_two_runs_at_once_make_one_campaign(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis
) -> None:
    runs = [
        submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis, batch_size=2)
        for _ in range(3)
    ]

    first, *others = await asyncio.gather(*runs)

    assert {other.campaign for other in others} == {first.campaign}
    view = await Queries(redis).campaign(first.campaign)
    assert (view.total, view.batches, view.state) == (25, 13, CampaignState.RUNNING)
    assert [message.line for message in await stored(redis, first.campaign)] == list(range(2, 27))


@pytest.fixture
async def full_above(redis: Redis) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Set maxmemory to the used memory plus some bytes."""

    async def set_room(more_bytes: int) -> None:
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", int(used) + more_bytes)

    yield set_room
    await redis.config_set("maxmemory", 0)


async def test_above_the_share_of_memory_no_campaign_is_taken(
    campaign: Path, recipients: Path, settings: Settings, redis: Redis, full_above: Callable[[int], Awaitable[None]]
) -> None:
    draft = Draft(campaign, recipients, settings=settings)
    await full_above(1_000)
    with pytest.raises(CommandFailed, match="campaigns are refused above 90%: raise its maxmemory"):
        await submit(draft, settings=settings, redis=redis, now=NOW)
    assert await Queries(redis).campaigns() == []


async def test_a_campaign_that_would_not_fit_is_refused_at_its_first_batch(
    campaign: Path, write: WriteFile, settings: Settings, redis: Redis, full_above: Callable[[int], Awaitable[None]]
) -> None:
    used = (await redis.info("memory"))["used_memory"]
    many = write("many.csv", csv_of(people(60_000)))
    draft = Draft(campaign, many, settings=settings)
    await full_above(int(used) // 9 + 600_000)  # leaves about 0.5 MB below the share; the records need 1.3 MB
    with pytest.raises(CommandFailed, match=r"does not fit into Redis: it needs about [\d.]+ MB more"):
        await submit(draft, settings=settings, redis=redis, now=NOW)
    view = await Queries(redis).campaign(await only_campaign(redis))
    assert (view.state, view.batches) == (CampaignState.SUBMITTING, 1)
