"""Archived campaigns of senders with lanes: people see one campaign, also while only some lanes are archived."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.archive import KEYS, catalog, files_in, retention, rule_for
from tests.kit.lanes import people, submit_in_lanes
from tests.kit.ledger import Ledger
from tests.kit.workers import SENDER
from times_dispatch.archive.folder import ArchiveFolder
from times_dispatch.archive.numbers.number_search import with_archived
from times_dispatch.archive.rebuilding import ArchiveRebuild
from times_dispatch.archive.recountable import recountable
from times_dispatch.ledger.archive_states import ArchiveStates
from times_dispatch.ledger.batch_columns import BatchColumns, read_batches
from times_dispatch.ledger.campaigns.search import CampaignSearch
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignArchived
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.history import number_history
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.statistics.recount import Recount

MESSAGES = 100
DEAD = DeadNumberRule()


async def in_lanes(ledger: Ledger, campaign: str = "lanes001") -> CampaignView:
    """Return a campaign in four lanes that has ended: most messages accepted and without a report, some rejected."""
    id_ = await submit_in_lanes(ledger.redis, people(MESSAGES), campaign=campaign)
    for lane in (await Queries(ledger.redis).campaign(id_)).lanes:
        while refs := await ledger.issue(lane.plan.sender):
            for ref in refs:
                lease = await ledger.take(ref)
                block = await ledger.open(lease)
                await ledger.record(lease, block, (b"aar" * len(block.messages))[: len(block.messages)])
                await ledger.leases.release(lease)
        await end(ledger, lane)
    return await Queries(ledger.redis).campaign(id_)


async def end(ledger: Ledger, lane: CampaignView) -> None:
    """End the validity of a lane's campaign and the wait for its reports."""
    sender, redis = lane.plan.sender, ledger.redis
    until_ms = await ledger.now_ms() - 1
    await redis.hset(campaign_key(sender, lane.id), mapping={"until_ms": until_ms, "report_wait_ms": -1})
    await redis.zadd(f"{hash_tag(sender)}:validity_ends", {lane.id: until_ms})
    for member in await redis.zrange(f"{hash_tag(sender)}:settle_due", 0, -1):
        await redis.zadd(f"{hash_tag(sender)}:settle_due", {text(member): 1})
    await ledger.maintenance.end_pending(sender)
    await ledger.maintenance.settle_overdue(sender)


async def rows_of(batches: AsyncIterator[BatchColumns]) -> list[tuple[int, str, str, int]]:
    """Return index, number, state and time of each message, by index."""
    rows = [
        (batch.recipients.first + at, number, batch.records.states[at], batch.records.sent_ms[at])
        async for batch in batches
        for at, number in enumerate(batch.recipients.to)
    ]
    return sorted(rows)


async def test_a_campaign_in_lanes_is_the_same_campaign_in_the_archive(ledger: Ledger, tmp_path: Path) -> None:
    before = await in_lanes(ledger)
    rows = await rows_of(read_batches(ledger.redis, before))
    statistics = await catalog(ledger.redis).statistics(before)
    result = await retention(ledger.redis, tmp_path).run()
    assert (result.archived, result.rows, result.waiting, result.failed) == ([before.id], MESSAGES, [], [])

    assert await Queries(ledger.redis).campaigns() == []
    reader = catalog(ledger.redis)
    [listed] = await reader.campaigns(damaged=[])
    [newest], left_out = await reader.live_and_ended(max_ended=10, damaged=[])
    after = await reader.campaign(before.id)
    for view in (listed, newest, after):
        assert (view.id, view.total, view.counts, view.codes, view.state) == (
            before.id,
            MESSAGES,
            before.counts,
            before.codes,
            before.state,
        )
        assert view.plan.sender == SENDER
    assert left_out == 0
    assert await rows_of(reader.batches(after)) == rows
    assert await reader.statistics(after) == statistics
    assert await CampaignSearch(ledger.redis).find(before.lanes[2].id) == before.lanes[2].id
    assert (await reader.campaign(before.lanes[2].id)).id == before.id


async def test_a_campaign_is_whole_while_only_some_of_its_lanes_are_archived(ledger: Ledger, tmp_path: Path) -> None:
    before = await in_lanes(ledger)
    rows = await rows_of(read_batches(ledger.redis, before))
    commits = Counter[str]()

    def dies(step: str) -> None:
        commits[step] += 1
        if step == "begin" and commits[step] == 3:
            raise RuntimeError(step)

    with pytest.raises(RuntimeError):
        await retention(ledger.redis, tmp_path, before_step=dies).run()
    assert len(files_in(tmp_path)) == 2 * 4, "two lanes are archived"

    with pytest.raises(CampaignArchived):
        await Queries(ledger.redis).campaign(before.id)
    with pytest.raises(CampaignArchived):
        await Queries(ledger.redis).campaign(before.lanes[3].id)
    assert await Queries(ledger.redis).campaigns() == []
    reader = catalog(ledger.redis)
    [view] = await reader.campaigns(damaged=[])
    assert (view.id, view.total, view.counts) == (before.id, MESSAGES, before.counts)
    assert await rows_of(reader.batches(view)) == rows
    assert (await retention(ledger.redis, tmp_path).run()).rows > 0
    assert await rows_of(reader.batches(await reader.campaign(before.id))) == rows


async def test_no_lane_is_archived_before_all_have_ended(ledger: Ledger, tmp_path: Path) -> None:
    view = await in_lanes(ledger)
    lane = view.lanes[2]
    await ledger.redis.hset(campaign_key(lane.plan.sender, lane.id), "finished_ms", await ledger.now_ms() + 10**9)
    result = await retention(ledger.redis, tmp_path).run()
    assert (result.archived, result.rows) == ([], 0)
    assert result.waiting == [(view.id, "one of its lanes has not ended long enough ago")]
    assert files_in(tmp_path) == []


async def test_a_submit_that_was_cancelled_before_it_began_all_lanes_is_archived(
    ledger: Ledger, tmp_path: Path
) -> None:
    campaign = await submit_in_lanes(ledger.redis, people(MESSAGES))
    await Control(ledger.redis).campaign(SENDER, campaign, ControlAction.CANCEL)
    view = await Queries(ledger.redis).campaign(campaign)
    for lane in view.lanes[:3]:
        await end(ledger, lane)
    for key in await ledger.redis.keys(f"{{{view.lanes[3].plan.sender}}}:*{view.lanes[3].id}*"):
        await ledger.redis.delete(key)  # as if the lane had never begun
    assert (await retention(ledger.redis, tmp_path).run()).archived == [campaign]
    archived = await catalog(ledger.redis).campaign(campaign)
    assert [lane.id for lane in archived.lanes] == [lane.id for lane in view.lanes[:3]]


async def test_numbers_recounts_and_rebuilds_find_all_lanes(ledger: Ledger, tmp_path: Path) -> None:
    before = await in_lanes(ledger)
    number = people(MESSAGES).to[63]
    [in_redis] = (await number_history(ledger.redis, number, DEAD)).messages
    await retention(ledger.redis, tmp_path).run()
    reader = catalog(ledger.redis)
    history = await with_archived(reader, await number_history(ledger.redis, number, DEAD), number)
    [message] = history.messages
    assert (message.campaign.id, message.index) == (before.id, in_redis.index)

    recounted = await Recount(ledger.redis).all((await recountable(reader)).campaigns)
    assert (recounted.campaigns, recounted.messages, recounted.differences) == (1, MESSAGES, [])

    await ledger.redis.flushdb()
    forgotten = ForgottenNumbers(ledger.redis, b"")
    rebuild = ArchiveRebuild(ledger.redis, ArchiveFolder(str(tmp_path)), KEYS, forgotten=forgotten, actor="asha")
    result = await rebuild.run()
    assert (result.restored, result.differences, result.failed) == ([before.id], [], [])
    again = await catalog(ledger.redis).campaign(before.id)
    assert (again.total, again.counts) == (MESSAGES, before.counts)
    assert await LaneQueries(ledger.redis).senders() == sorted(lane_senders(SENDER, 4))


async def test_all_lanes_are_erased_together(ledger: Ledger, tmp_path: Path) -> None:
    view = await in_lanes(ledger)
    await retention(ledger.redis, tmp_path).run()
    result = await retention(ledger.redis, tmp_path, rule=rule_for(tmp_path, archive_s=0)).run()
    assert result.erased == [view.id]
    assert {path.suffix for path in files_in(tmp_path)} == {".json"}
    stubs, _ = await ArchiveStates(ledger.redis).newest(list(lane_senders(SENDER, 4)), with_erased=False)
    assert stubs == []
    assert (await catalog(ledger.redis).campaign(view.id)).counts == view.counts


async def test_the_archives_of_a_campaign_are_those_of_all_its_lanes(ledger: Ledger, tmp_path: Path) -> None:
    view = await in_lanes(ledger)
    await retention(ledger.redis, tmp_path).run()
    stubs = await catalog(ledger.redis).archive.stubs(CampaignId(view.id))
    assert [stub.id for stub in stubs] == [lane.id for lane in view.lanes]
