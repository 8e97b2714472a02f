from pathlib import Path

import msgspec
import pytest

from tests.kit.archive import KEYS, ended_campaign, files_in, retention
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.archive.erasure.sealing import Sealing
from times_dispatch.archive.folder import ArchiveFolder
from times_dispatch.archive.manifest import pack_manifest, read_manifest
from times_dispatch.archive.rebuilding import ArchiveRebuild, RebuildResult
from times_dispatch.ledger.archive_states import ArchiveStates
from times_dispatch.ledger.keys import CAMPAIGNS, FORGOTTEN_KEY
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.statistics.recount import Recount
from times_dispatch.ledger.statistics.rollups import RollupFilter, RollupKey, StatisticsReader


async def rebuild(ledger: Ledger, folder: Path) -> RebuildResult:
    forgotten = ForgottenNumbers(ledger.redis, b"the key of forgotten numbers")
    made = ArchiveRebuild(ledger.redis, ArchiveFolder(str(folder)), KEYS, forgotten=forgotten, actor="asha@host")
    return await made.run()


async def rollups_of(reader: StatisticsReader) -> dict[RollupKey, dict[str, int]]:
    """Return all rollups without the counters that are 0."""
    rollups = {key: amounts async for key, amounts in reader.rollups(RollupFilter())}
    return {key: {name: amount for name, amount in amounts.items() if amount} for key, amounts in rollups.items()}


async def archive(ledger: Ledger, folder: Path) -> None:
    await ended_campaign(ledger)
    assert (await retention(ledger.redis, folder).run()).archived == [CAMPAIGN]


async def test_stubs_and_the_statistics_of_days_are_as_before(ledger: Ledger, tmp_path: Path) -> None:
    await archive(ledger, tmp_path)
    states, reader = ArchiveStates(ledger.redis), StatisticsReader(ledger.redis)
    before = await states.newest([SENDER])
    rollups = await rollups_of(reader)
    await ledger.redis.flushall()
    assert (await rebuild(ledger, tmp_path)).restored == [CAMPAIGN]
    assert await states.newest([SENDER]) == before
    assert await rollups_of(reader) == rollups
    assert (await Recount(ledger.redis).all()).moving == []


async def test_a_campaign_with_messages_in_redis_is_left_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    await archive(ledger, tmp_path)
    await ledger.redis.flushall()
    await ledger.submit(3)
    result = await rebuild(ledger, tmp_path)
    assert (result.restored, result.known) == ([], 1)
    assert await ledger.states() == "ppp"


async def test_names_that_are_no_campaigns_are_skipped_also_if_they_cannot_be_read(
    ledger: Ledger, tmp_path: Path
) -> None:
    await archive(ledger, tmp_path)
    (tmp_path / "lost+found").mkdir(mode=0o000)
    (tmp_path / ".snapshot").write_text("a file")
    await ledger.redis.flushall()
    result = await rebuild(ledger, tmp_path)
    assert (result.restored, result.skipped, result.failed) == ([CAMPAIGN], [".snapshot", "lost+found"], [])


async def test_a_rebuild_that_died_before_the_index_is_finished_by_the_next(ledger: Ledger, tmp_path: Path) -> None:
    await archive(ledger, tmp_path)
    await ledger.redis.flushall()
    await rebuild(ledger, tmp_path)
    await ledger.redis.delete(CAMPAIGNS)
    assert (await rebuild(ledger, tmp_path)).known == 1
    assert await ArchiveStates(ledger.redis).find(CAMPAIGN)


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "without rows"])
async def test_of_two_attempts_the_newest_whole_one_is_taken(ledger: Ledger, tmp_path: Path, is_whole: bool) -> None:
    await archive(ledger, tmp_path)
    [manifest_path] = [path for path in files_in(tmp_path) if path.suffix == ".json"]
    manifest = read_manifest(manifest_path.read_bytes(), archive=CAMPAIGN, operation=manifest_path.stem)
    later = msgspec.structs.replace(manifest, operation="later", archived_ms=manifest.archived_ms + 1)
    for path in files_in(tmp_path):
        content = pack_manifest(later) if path == manifest_path else path.read_bytes()
        if is_whole or path.suffix != ".parquet":
            path.with_name(f"later{path.suffix}").write_bytes(content)
    await ledger.redis.flushall()
    await rebuild(ledger, tmp_path)
    stub = await ArchiveStates(ledger.redis).find(CAMPAIGN)
    assert stub
    assert stub.operation == ("later" if is_whole else manifest.operation)


async def test_numbers_that_another_key_forgot_are_not_brought_back_as_digests_that_match_nobody(
    ledger: Ledger, tmp_path: Path
) -> None:
    sealing = Sealing(ledger.redis, ArchiveFolder(str(tmp_path)), KEYS)
    other = ForgottenNumbers(ledger.redis, b"another key of forgotten numbers")
    await sealing.note_forgotten(other.digest("919876543210").hex(), other.key_digest)
    result = await rebuild(ledger, tmp_path)
    assert (result.forgotten, [why for _, why in result.failed]) == (
        0,
        ["DISPATCH_FORGET_KEY is not the key with which numbers were forgotten"],
    )
    assert await ledger.redis.get(FORGOTTEN_KEY) is None
