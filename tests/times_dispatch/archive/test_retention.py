from pathlib import Path

import msgspec
import pytest

from tests.kit.archive import ended_campaign, files_in, keys_with_word, retention, rule_for
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.archive_states import ArchiveState, ArchiveStates
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.model import CampaignId, Plan, TrackedLinks

DAY_S = 86_400


async def move_back(ledger: Ledger, campaign: CampaignId, days: float) -> None:
    """Move the creation and the end of a campaign *days* into the past."""
    key = campaign_key(SENDER, campaign)
    created_ms = 0
    for name in ("created_ms", "finished_ms", "last_sent_ms"):
        value = int(await ledger.redis.hget(key, name) or 0) - int(days * DAY_S * 1000)
        await ledger.redis.hset(key, name, value)
        created_ms = value if name == "created_ms" else created_ms
    await ledger.redis.zadd(f"{hash_tag(SENDER)}:ended", {campaign: created_ms}, xx=True)


async def test_campaigns_are_archived_when_they_ended_longer_ago_than_live(ledger: Ledger, tmp_path: Path) -> None:
    for name, days in (("younger1", 13.9), ("older001", 14.1)):
        await move_back(ledger, await ended_campaign(ledger, campaign=name), days)
    rule = rule_for(tmp_path, live_s=14 * DAY_S)
    assert (await retention(ledger.redis, tmp_path, rule=rule).run()).archived == ["older001"]


async def test_a_campaign_stays_while_its_tracked_links_work(ledger: Ledger, tmp_path: Path) -> None:
    campaign = await ended_campaign(ledger)
    key = campaign_key(SENDER, campaign)
    plan = msgspec.json.decode(await ledger.redis.hget(key, "plan"), type=Plan)  # type: ignore[arg-type]
    now_ms = await ledger.now_ms()
    links = TrackedLinks(number=1, prefix="go.brand.in/TIMESM/", key_digest="", targets=[])
    plan = msgspec.structs.replace(plan, valid_until_ms=now_ms - 6 * DAY_S * 1000, tracked_links=links)
    await ledger.redis.hset(key, "plan", msgspec.json.encode(plan))
    rule = rule_for(tmp_path)._replace(links_s=7 * DAY_S)
    result = await retention(ledger.redis, tmp_path, rule=rule).run()
    assert result.waiting == [(CAMPAIGN, "its tracked links still work")]
    rule = rule._replace(links_s=5 * DAY_S)
    assert (await retention(ledger.redis, tmp_path, rule=rule).run()).archived == [CAMPAIGN]


async def test_the_number_of_campaigns_of_a_run_can_be_limited(ledger: Ledger, tmp_path: Path) -> None:
    for name in ("first001", "second01", "third001"):
        await ended_campaign(ledger, campaign=name)
    run = retention(ledger.redis, tmp_path).run
    assert len((await run(max_campaigns=2)).archived) == 2
    assert len((await run(max_campaigns=2)).archived) == 1
    assert (await run()).archived == []


async def test_archives_are_erased_when_their_time_is_over(ledger: Ledger, tmp_path: Path) -> None:
    for name, days in (("younger1", 365.9), ("older001", 366.1)):
        await move_back(ledger, await ended_campaign(ledger, campaign=name), days)
    result = await retention(ledger.redis, tmp_path).run()
    assert sorted(result.archived) == ["older001", "younger1"]
    assert result.erased == ["older001"]
    assert [path.suffix for path in files_in(tmp_path / "older001")] == [".json"]
    assert len(files_in(tmp_path / "younger1")) == 4
    states = {stub.id: stub.state for stub in (await ArchiveStates(ledger.redis).newest([SENDER]))[0]}
    assert states == {"older001": ArchiveState.ERASED, "younger1": ArchiveState.ARCHIVED}
    assert (await retention(ledger.redis, tmp_path).run()).erased == []


@pytest.mark.parametrize("step", ["destroy the key", "delete the rows", "note in the manifest", "note in the ledger"])
async def test_an_erasure_that_dies_is_finished_by_the_next_run(ledger: Ledger, tmp_path: Path, step: str) -> None:
    await move_back(ledger, await ended_campaign(ledger), 400)

    def before_step(name: str) -> None:
        if name == step:
            raise RuntimeError(name)

    with pytest.raises(RuntimeError):
        await retention(ledger.redis, tmp_path, before_step=before_step).run()
    assert (await retention(ledger.redis, tmp_path).run()).erased == [CAMPAIGN]
    assert [path.suffix for path in files_in(tmp_path)] == [".json"]
    assert f"{hash_tag(SENDER)}:erased" in await keys_with_word(ledger.redis, CAMPAIGN)
