import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.kit.archive import catalog, end, ended_campaign, field_names, files_in, keys_with_word, retention
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.archive.errors import ArchiveError
from times_dispatch.ledger.errors import CampaignArchived
from times_dispatch.ledger.keys import BatchKey, CampaignKey, SenderKey, campaign_key, hash_tag, sender_key
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportEffect
from times_dispatch.ledger.scripts import script_text
from times_dispatch.links.codes import MAX_LINKS

STEPS = [
    "begin",
    "write the key",
    "write the rows",
    "write the filter of numbers",
    "verify the rows",
    "write the manifest",
    "commit",
    "delete files of other attempts",
    "delete keys",
]


class Died(Exception):
    """Ends an archiver between two steps, as a kill would."""


def die_before(step: str, count: int = 1):  # type: ignore[no-untyped-def]
    seen = []

    def before_step(name: str) -> None:
        seen.append(name)
        if name == step and seen.count(step) == count:
            raise Died

    return before_step


async def everything(redis: Redis, campaign: str = CAMPAIGN) -> tuple[object, ...]:
    """Return everything that a reader sees of a campaign, in Redis or in the archive."""
    reader = catalog(redis)
    view = await reader.campaign(CAMPAIGN)
    messages = [
        (
            batch.recipients.first + at,
            batch.recipients.to[at],
            batch.recipients.lines[at],
            [column[at] for column in batch.recipients.slots],
            batch.recipients.parts[at],
            batch.records.states[at],
            batch.records.codes[at],
            batch.records.attempts[at],
            batch.records.sent_ms[at],
            batch.records.reported_s[at],
            batch.records.transaction_ids[at],
            batch.records.chain_indexes[at],
        )
        async for batch in reader.batches(view)
        for at in range(len(batch.recipients.to))
    ]
    listed, left_out = await reader.live_and_ended(max_ended=10, damaged=[])
    return view, messages, dict(await reader.statistics(view)), [each.id for each in listed], left_out


async def test_an_archived_campaign_is_read_as_if_it_were_in_redis(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger, 7, parts=[1, 2, 3, 1, 1, 1, 2])
    before = await everything(ledger.redis)
    result = await retention(ledger.redis, tmp_path).run()
    assert (result.archived, result.rows, result.waiting, result.failed) == ([CAMPAIGN], 7, [], [])
    assert await everything(ledger.redis) == before
    with pytest.raises(CampaignArchived):
        await ledger.queries.campaign(CAMPAIGN)


async def test_of_an_archived_campaign_only_a_stub_stays_in_redis(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger, 200, batch_size=2)
    clicks = [
        DeliveryReport(CampaignId(CAMPAIGN), link, 0, "clicked", 0, 1_795_000_000, bytes([link]) * 8, link=link)
        for link in range(1, MAX_LINKS + 1)
    ]
    await ledger.report_applier.apply(clicks)
    await retention(ledger.redis, tmp_path).run()
    assert await keys_with_word(ledger.redis, CAMPAIGN) == [
        "campaigns",
        "submissions",
        f"{hash_tag(SENDER)}:archived",
        campaign_key(SENDER, CAMPAIGN),
        f"{hash_tag(SENDER)}:trail",
    ]
    assert await field_names(ledger.redis, campaign_key(SENDER, CAMPAIGN)) == {
        "archive",
        "archive_operation",
        "archive_folder",
        "archive_name",
        "archive_template",
        "archive_sent_days",
        "archive_codes",
        "archive_ended_ms",
    }


async def test_days_of_which_an_earlier_version_kept_none_leave_the_stub_without_days(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ended_campaign(ledger)
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "sent_days_until_ms", "0")
    await retention(ledger.redis, tmp_path).run()
    assert "archive_sent_days" not in await field_names(ledger.redis, campaign_key(SENDER, CAMPAIGN))


async def test_the_files_hold_no_number_and_no_value_in_the_clear(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    await retention(ledger.redis, tmp_path).run()
    files = files_in(tmp_path)
    assert sorted(path.suffix for path in files) == [".json", ".key", ".numbers", ".parquet"]
    for path in files:
        content = path.read_bytes()
        assert b"9198" not in content, path.name
        assert b"name 1" not in content, path.name
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("step", STEPS)
async def test_an_archiver_that_dies_before_a_step_leaves_the_campaign_in_one_place(
    ledger: Ledger, tmp_path: Path, step: str
) -> None:
    await ended_campaign(ledger, 4)
    before = await everything(ledger.redis)
    with pytest.raises(Died):
        await retention(ledger.redis, tmp_path, before_step=die_before(step)).run()
    is_archived = STEPS.index(step) > STEPS.index("commit")
    assert bool(await ledger.redis.zscore(f"{hash_tag(SENDER)}:archived", CAMPAIGN)) is is_archived
    assert bool(await ledger.redis.zscore(f"{hash_tag(SENDER)}:ended", CAMPAIGN)) is not is_archived
    assert await everything(ledger.redis) == before
    await retention(ledger.redis, tmp_path).run()
    assert await everything(ledger.redis) == before
    assert not await ledger.redis.smembers(f"{hash_tag(SENDER)}:leaving")
    assert await ledger.redis.exists(f"{campaign_key(SENDER, CAMPAIGN)}:m:0") == 0


async def test_files_of_attempts_that_died_are_deleted_by_the_attempt_that_succeeds(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ended_campaign(ledger)
    for step in STEPS[1:7]:
        with pytest.raises(Died):
            await retention(ledger.redis, tmp_path, before_step=die_before(step)).run()
    await retention(ledger.redis, tmp_path).run()
    assert len(files_in(tmp_path)) == 4


async def test_a_report_during_the_attempt_is_in_the_archive_and_not_lost(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    archiver = retention(ledger.redis, tmp_path)
    commits = 0
    commit = archiver._archiver._states.commit  # is called between the verification and the commit

    async def commit_after_a_report(*arguments, **named):  # type: ignore[no-untyped-def]
        nonlocal commits
        commits += 1
        if commits == 1:
            assert await ledger.report("delivered", index=1) == [ReportEffect.CORRECTED]
        return await commit(*arguments, **named)

    archiver._archiver._states.commit = commit_after_a_report  # type: ignore[method-assign]
    result = await archiver.run()
    assert (result.archived, commits) == ([CAMPAIGN], 2)
    _, messages, *_ = await everything(ledger.redis)
    assert messages[1][5] == "d"  # type: ignore[index]
    assert len(files_in(tmp_path)) == 4


async def test_a_report_after_the_commit_changes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    with pytest.raises(Died):
        await retention(ledger.redis, tmp_path, before_step=die_before("delete keys")).run()
    before = await everything(ledger.redis)
    assert await ledger.report("delivered", "clicked", index=1) == [ReportEffect.ARCHIVED] * 2
    assert await everything(ledger.redis) == before


async def test_two_processes_that_archive_at_once_do_each_other_no_harm(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    before = await everything(ledger.redis)
    first = retention(ledger.redis, tmp_path)
    store = first._archiver._store
    second = retention(ledger.redis, tmp_path)

    async def store_while_another_archives(*arguments):  # type: ignore[no-untyped-def]
        manifest = await store(*arguments)
        assert (await second.run()).archived == [CAMPAIGN]
        return manifest

    first._archiver._store = store_while_another_archives  # type: ignore[method-assign]
    await first.run()
    assert await everything(ledger.redis) == before
    assert len(files_in(tmp_path)) == 4


async def test_campaigns_of_which_something_is_expected_stay_in_redis(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.submit(2, campaign="running1")
    await ledger.send_all(b"a")
    result = await retention(ledger.redis, tmp_path).run()
    assert result.archived == []
    assert result.waiting == [("running1", "it waits for a report or for the end of its validity")]
    assert not files_in(tmp_path)


async def test_an_archived_campaign_cannot_be_submitted_or_begun_again(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    await retention(ledger.redis, tmp_path).run()
    with pytest.raises(CampaignArchived):
        await ledger.submit(7)
    assert await ledger.issue() == []


async def test_a_campaign_whose_records_do_not_agree_with_its_counters_stays(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    key = campaign_key(SENDER, CAMPAIGN)
    await ledger.redis.setrange(f"{key}:m:0", 0, b"f")
    result = await retention(ledger.redis, tmp_path).run()
    assert result.archived == []
    assert "1 message is delivered and 2 are counted" in result.failed[0][1]
    assert not files_in(tmp_path)


async def test_a_campaign_without_a_message_is_archived(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.submit(2, sealed=False)
    await ledger.control.campaign(SENDER, CAMPAIGN, "cancel", reason="")  # type: ignore[arg-type]
    await end(ledger)
    assert (await retention(ledger.redis, tmp_path).run()).archived == [CAMPAIGN]


async def test_the_archive_may_be_any_storage_of_fsspec(ledger: Ledger) -> None:
    await ended_campaign(ledger)
    before = await everything(ledger.redis)
    await retention(ledger.redis, "memory://archive").run()
    assert await everything(ledger.redis) == before


async def test_a_folder_that_cannot_be_written_leaves_the_campaign_in_redis(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = await retention(ledger.redis, blocked / "archive").run()
    assert result.archived == []
    assert "not a directory" in result.failed[0][1]
    await ledger.assert_counters_add_up()


@pytest.mark.parametrize("change", ["cut", "changed", "another", "no rows", "no manifest"])
async def test_a_changed_file_is_never_read_as_if_it_were_whole(ledger: Ledger, tmp_path: Path, change: str) -> None:
    await ended_campaign(ledger)
    await ended_campaign(ledger, campaign="second01")
    await retention(ledger.redis, tmp_path).run()
    [rows], [other] = (list((tmp_path / name).glob("*.parquet")) for name in (CAMPAIGN, "second01"))
    content = rows.read_bytes()
    match change:
        case "cut":
            rows.write_bytes(content[: len(content) // 2])
        case "changed":
            rows.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
        case "another":
            rows.write_bytes(other.read_bytes())
        case "no rows":
            rows.unlink()
        case "no manifest":
            next((tmp_path / CAMPAIGN).glob("*.json")).unlink()
    with pytest.raises(ArchiveError, match=CAMPAIGN):
        await everything(ledger.redis)


async def test_a_reader_that_began_before_the_archiving_reads_every_message_once(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ended_campaign(ledger, 60, batch_size=3)
    reader = catalog(ledger.redis)
    view, indexes = await reader.campaign(CAMPAIGN), list[int]()
    async for batch in reader.batches(view):
        first = batch.recipients.first
        indexes += range(first, first + len(batch.recipients.to))
        assert batch.recipients.to[0] == f"9198{first:08}"
        assert len(batch.records.states) == len(batch.recipients.lines) == len(batch.recipients.to)
        if first == 0:
            assert (await retention(ledger.redis, tmp_path).run()).archived == [CAMPAIGN]
    assert indexes == list(range(60))


def test_the_scripts_delete_every_key_that_a_campaign_and_its_batches_can_have() -> None:
    scripts = script_text("commit_archive") + script_text("delete_archived")
    assert {key.value for key in CampaignKey} - set(re.findall(r"'(\w+)'", scripts)) == set()
    assert {kind.name for kind in BatchKey} - set(re.findall(r"\b[A-Z]+\b", scripts)) == set()


async def test_a_campaign_of_which_a_message_waits_for_a_second_try_stays(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "retries_waiting", 1)
    assert (await retention(ledger.redis, tmp_path).run()).archived == []
    await ledger.redis.hdel(campaign_key(SENDER, CAMPAIGN), "retries_waiting")
    assert (await retention(ledger.redis, tmp_path).run()).archived == [CAMPAIGN]


async def test_batches_of_a_campaign_that_leaves_wait_no_longer_to_be_settled(ledger: Ledger, tmp_path: Path) -> None:
    await ended_campaign(ledger)
    settle_due = sender_key(SENDER, SenderKey.SETTLE_DUE)
    later_ms = 10**14
    await ledger.redis.zadd(settle_due, {f"{CAMPAIGN}:0": later_ms, f"{CAMPAIGN}:2": later_ms, "another1:0": later_ms})
    assert (await retention(ledger.redis, tmp_path).run()).archived == [CAMPAIGN]
    assert await ledger.redis.zrange(settle_due, 0, -1) == [b"another1:0"]
