"""Names from outside stay plain text on every page, and do not change the text around them."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.kit.clock import FakeClock
from tests.kit.console import Browser, make_rig
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction

NUMBERED = "sale for 9876543210 and +91 98765-43211"
NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'\"></title><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "sale\u202egnp.exe\u2066",
    "a\u200bb\x00c\x1b[31m",
    "&lt;b&gt;[brackets](javascript:alert(1))",
)
PAGES = (
    "/",
    "/campaigns",
    f"/campaigns/{CAMPAIGN}",
    f"/campaigns/{CAMPAIGN}/messages",
    f"/campaigns/{CAMPAIGN}/pause",
    f"/campaigns/{CAMPAIGN}/cancel",
    f"/campaigns/{CAMPAIGN}/resend",
    "/senders",
    "/senders/TIMESM",
    "/senders/TIMESM/pause",
    "/system",
    "/system/trail",
    "/templates?q=%22%3E%3Cb%3E",
    "/campaigns?q=%3Cscript%3E%22%3E&sender=%22%3E%3Cb%3E",
)


@pytest.mark.parametrize("name", NAMES)
async def test_a_hostile_name_stays_a_text_on_every_page(owner: Browser, ledger: Ledger, name: str) -> None:
    await ledger.submit(3, name=name, template=name, text=name, provider=name)
    await ledger.control.campaign(SENDER, CampaignId(CAMPAIGN), ControlAction.PAUSE, reason=name)
    for path in PAGES:
        html = (await owner.get(path)).text
        for markup in ("<script>alert", "<img src=x", "<svg/onload", '"><b>'):
            assert markup not in html, path
        assert not [char for char in html if not char.isprintable() and char != "\n"], path


@pytest.mark.parametrize("role", ConsoleRole)
async def test_a_phone_number_in_a_name_or_a_reason_is_on_no_page_of_any_role(
    redis: Redis, redis_url: str, tmp_path: Path, ledger: Ledger, role: ConsoleRole
) -> None:
    clock, seen = FakeClock(), dict[str, str]()
    rig = make_rig(redis, redis_url, tmp_path, clock=clock)
    browser, control, campaign = rig.logged_in(role), ledger.control, CampaignId(CAMPAIGN)
    pages = (*PAGES, f"/campaigns/{CAMPAIGN}/resume", f"/senders/{SENDER}/resume", "/campaigns?state=live")

    async def look(moment: str) -> None:
        await clock.advance(10)  # so that nothing is of an earlier reading
        seen.update({f"{path} {moment}": (await browser.get(path)).text for path in pages})

    await ledger.submit(3, name=NUMBERED)
    await look("while the campaign runs")
    await control.campaign(SENDER, campaign, ControlAction.BRAKE, reason=NUMBERED)
    await control.brake_provider(SENDER, "times", NUMBERED)
    await look("while all is braked")
    await control.campaign(SENDER, campaign, ControlAction.PAUSE, reason=NUMBERED, replaces_reason=True)
    await control.pause_sender(SENDER, reason=NUMBERED)
    await look("while all is paused")
    await control.campaign(SENDER, campaign, ControlAction.CANCEL, reason=NUMBERED)
    await look("after the cancel")
    await rig.close()
    assert "sale for …" in seen["/system while all is braked"]
    assert [where for where, html in seen.items() if "9876543210" in html or "98765-43211" in html] == []
