from pathlib import Path

from redis.asyncio import Redis

from tests.kit.archive import ended_campaign, retention
from tests.kit.ledger import CAMPAIGN, Ledger
from times_dispatch.ledger.archive_states import ArchiveStates
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts
from times_dispatch.ledger.reports.late_stops import LateStops

FORGET_KEY = b"the key of forgotten numbers"


async def test_the_number_of_a_late_stop_reply_is_opted_out(redis: Redis, tmp_path: Path) -> None:
    await ended_campaign(Ledger(redis))
    await retention(redis, tmp_path).run()
    await LateStops(redis).add([(CAMPAIGN, 5), (CAMPAIGN, 700), (CampaignId("unknown1"), 1)])
    assert (await retention(redis, tmp_path).run()).opted_out == 1
    assert await OptOuts(redis).contains(["919800000005", "919800000004"]) == [Listed.OPTED_OUT, Listed.NOT_LISTED]
    assert await LateStops(redis).all() == []


async def test_a_reply_to_an_erased_campaign_is_let_go(redis: Redis, tmp_path: Path) -> None:
    await ended_campaign(Ledger(redis))
    run = retention(redis, tmp_path)
    await run.run()
    stub = await ArchiveStates(redis).find(CAMPAIGN)
    assert stub
    await run.erase(stub)
    await LateStops(redis).add([(CAMPAIGN, 5)])
    assert (await run.run()).opted_out == 0
    assert await LateStops(redis).all() == []


async def test_a_forgotten_number_is_not_put_on_the_list_and_without_the_key_the_reply_waits(
    redis: Redis, tmp_path: Path
) -> None:
    await ended_campaign(Ledger(redis))
    await retention(redis, tmp_path).run()
    await ForgottenNumbers(redis, FORGET_KEY).add("919800000005")
    await LateStops(redis).add([(CAMPAIGN, 5)])
    result = await retention(redis, tmp_path).run()
    assert "DISPATCH_FORGET_KEY" in result.failed[0][1]
    assert await LateStops(redis).all() == [(CAMPAIGN, 5)]
    assert (await retention(redis, tmp_path, forget_key=FORGET_KEY).run()).opted_out == 0
    assert await LateStops(redis).all() == []
    assert not (await OptOuts(redis).contains(["919800000005"]))[0]


def _manifest(folder: Path) -> Path:
    (path,) = folder.rglob("*.json")
    return path


async def test_an_archive_that_cannot_be_read_holds_up_no_other_reply(redis: Redis, tmp_path: Path) -> None:
    await ended_campaign(Ledger(redis))
    await retention(redis, tmp_path).run()
    stub = await ArchiveStates(redis).find(CAMPAIGN)
    assert stub
    manifest = _manifest(tmp_path)
    content = manifest.read_bytes()
    manifest.write_bytes(b"damaged")
    await LateStops(redis).add([(CAMPAIGN, 5), (CampaignId("zzzzzzzz"), 1)])
    result = await retention(redis, tmp_path).run()
    assert [campaign for campaign, _ in result.failed] == [CAMPAIGN]
    assert await LateStops(redis).all() == [(CAMPAIGN, 5)]  # the other campaign is unknown, and its reply is dropped
    manifest.write_bytes(content)
    assert (await retention(redis, tmp_path).run()).opted_out == 1
