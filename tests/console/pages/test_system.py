from redis.asyncio import Redis

from tests.kit.console import Browser, text_of_page
from tests.kit.ledger import SENDER, Ledger
from tests.kit.processes_seen import let_run
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.ledger.protocol import ControlAction


async def test_processes_and_findings_are_those_of_dispatch_status(viewer: Browser, redis: Redis) -> None:
    await let_run(redis, ProcessKind.WORKER)
    page = text_of_page((await viewer.get("/system")).text)
    assert "no beat has run yet" in page
    assert "✓ worker 1" in page
    assert "appendonly is off" in page


async def test_owners_see_users_and_the_trail_and_others_do_not(
    viewer: Browser, operator: Browser, owner: Browser, ledger: Ledger
) -> None:
    await ledger.submit(3)
    await ledger.control.campaign(SENDER, CampaignId("diwali01"), ControlAction.PAUSE, reason="a wrong price")
    assert "vera" in (await owner.get("/system")).text
    assert "a wrong price" in (await owner.get("/system/trail")).text
    for browser in (viewer, operator):
        assert "vera viewer password" not in text_of_page((await browser.get("/system")).text)
        assert (await browser.get("/system/trail")).status_code == 403


async def test_a_trail_without_entries_says_so(owner: Browser) -> None:
    assert "Nothing was changed yet." in (await owner.get("/system/trail")).text
