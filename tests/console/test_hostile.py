"""Names from outside stay plain text on every page, and do not change the text around them."""

import pytest

from tests.kit.console import Browser, ConsoleRig
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction

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


async def test_a_phone_number_in_a_name_or_a_reason_is_on_no_page_of_a_viewer(
    viewer: Browser, ledger: Ledger, rig: ConsoleRig
) -> None:
    async def read_all_pages() -> list[str]:
        await rig.resources.now_data.get(max_age_s=0)  # otherwise the pages may show the state before the change
        return [(await viewer.get(path)).text for path in pages]

    named = "sale for 9876543210 and +91 98765-43211"
    await ledger.submit(3, name=named)
    pages = {*PAGES, f"/senders/{SENDER}/resume", "/campaigns?state=live"}
    states = await read_all_pages()
    await ledger.control.campaign(SENDER, CampaignId(CAMPAIGN), ControlAction.PAUSE, reason=named)
    await ledger.control.pause_sender(SENDER, reason=named)
    states += await read_all_pages()
    await ledger.control.campaign(SENDER, CampaignId(CAMPAIGN), ControlAction.CANCEL, reason=named)
    states += await read_all_pages()
    assert any("(sale for … and …): paused: sale for … and …" in html for html in states)  # on the page System
    for html in states:
        assert "9876543210" not in html
        assert "98765-43211" not in html
