"""The page of a campaign equals ``dispatch stats`` and ``dispatch show``, and shows recipients to operators only."""

import asyncio
import html as html_entities
import json
import re
from decimal import Decimal
from typing import Any

from click.testing import CliRunner

from console.formats import Formats, NumberForm
from producers.cli import main
from tests.kit.console import Browser, ConsoleRig, sent_campaign, text_of_page
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.reports.report_applier import DeliveryReport

F = Formats(NumberForm.INTERNATIONAL)


async def stats(redis_url: str, *arguments: str) -> dict[str, Any]:
    """Return what ``dispatch stats --json`` prints."""
    command = ["stats", *arguments, "--json"]
    result = await asyncio.to_thread(CliRunner(env={"DISPATCH_REDIS_URL": redis_url}).invoke, main, command)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


async def in_international_form(browser: Browser) -> Browser:
    await browser.get("/")
    await browser.post("/preferences", {"form": "international", "back": "/"})
    return browser


def rows(html: str, section: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    part = html.partition(f'id="{section}"')[2]
    table = part.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [
            html_entities.unescape(" ".join(re.sub(r"<[^>]+>", "", cell).split()))
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in table.split("</tr>")
        if "<t" in row
    ]


async def test_the_figures_equal_those_of_dispatch_stats(viewer: Browser, ledger: Ledger, redis_url: str) -> None:
    await sent_campaign(ledger)
    figures = await stats(redis_url, "--campaign", CAMPAIGN)
    html = (await (await in_international_form(viewer)).get(f"/campaigns/{CAMPAIGN}")).text
    page = text_of_page(html)
    assert figures["codes"]
    assert figures["clickers"]
    for name in ("sent", "delivered"):
        assert f"{name.capitalize()} {figures[name]:,}" in page
    assert f"Clicked {figures['clickers']:,}" in page
    assert f"Clicks {figures['clicked']:,} of {figures['clickers']:,} recipients" in page
    assert f"Parts sent {figures['parts']:,}" in page
    assert f"Cost so far {F.rupees(Decimal(figures['cost_rupees']))}" in page
    assert f"Money saved {F.rupees(Decimal(figures['money_kept_rupees']))}" in page
    assert f"CTR {figures['click_rate_percent']:.1f} %" in page
    for name, words in (("median_s", "Median"), ("p90_s", "90 %"), ("p99_s", "99 %")):
        assert f"{words} {F.duration(figures['delivery_times'][name])}" in page
    shown = [
        (cells[0].split(" ", 1)[1].replace(" ", "_"), int(cells[1]), int(cells[2]), cells[3])
        for cells in rows(html, "codes-title")
    ]
    assert shown == [(code["state"], code["code"], code["messages"], code["owner"]) for code in figures["codes"]]
    states = {cells[0].split(" ", 1)[1].replace(" ", "_"): int(cells[1]) for cells in rows(html, "states-title")}
    assert states == {name: number for name, number in figures["states"].items() if number}
    [hour] = figures["course"].values()
    [cells] = rows(html, "course-title")
    figures_of_hour = [
        hour["sent"],
        hour["delivered"],
        hour["sent"] - hour["delivered"],
        hour["errors"],
        hour["clicked"],
    ]
    assert [int(cell) for cell in cells[1:]] == figures_of_hour
    histogram = [int(cells[1]) for cells in rows(html, "times-title")]
    assert histogram == [bucket["messages"] for bucket in figures["delivery_times"]["histogram"]]


async def test_the_losses_of_the_funnel_add_up_to_the_messages_that_were_lost(viewer: Browser, ledger: Ledger) -> None:
    await sent_campaign(ledger)
    html = (await viewer.get(f"/campaigns/{CAMPAIGN}")).text
    stages = [int(number) for number in re.findall(r"<span>\w+</span> <b>(\d+)</b>", html)]
    whole = html.partition('<ol class="funnel">')[2].partition("</ol>")[0]
    parts = whole.split('<div class="stage">')[1:]
    losses = [
        [int(number) for number in re.findall(r'aria-hidden="true">.</span> <a href="[^"]+">(\d+)</a>', part)]
        for part in parts
    ]
    assert len(stages) == 4
    assert stages[0] - sum(losses[0]) == stages[1]
    assert stages[1] - sum(losses[1]) == stages[2]


async def test_a_campaign_without_messages_yet_says_so(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3, sealed=False)
    page = text_of_page((await viewer.get(f"/campaigns/{CAMPAIGN}")).text)
    assert "submitting" in page
    assert "Nothing was sent yet." in page


async def test_viewers_see_neither_numbers_nor_texts_nor_actions(
    rig: ConsoleRig, viewer: Browser, operator: Browser, ledger: Ledger
) -> None:
    await ledger.submit(3)
    own = (await operator.get(f"/campaigns/{CAMPAIGN}")).text
    assert "Dear {#var#}" in own
    assert "Dear name 1" in own
    assert "9198*****001" in own
    assert f'href="/campaigns/{CAMPAIGN}/pause"' in own
    foreign = (await viewer.get(f"/campaigns/{CAMPAIGN}")).text
    assert not re.search(r"Dear|9198|name 1|/pause|/cancel", foreign)


async def test_the_trail_names_people_and_says_why(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.campaign(SENDER, CampaignId(CAMPAIGN), ControlAction.PAUSE, reason="a wrong price")
    page = text_of_page((await viewer.get(f"/campaigns/{CAMPAIGN}")).text)
    assert "paused by times-dispatch : a wrong price" in page or "paused by times-dispatch: a wrong price" in page


async def test_every_figure_of_messages_leads_to_as_many_messages(operator: Browser, ledger: Ledger) -> None:
    await sent_campaign(ledger)
    html = (await operator.get(f"/campaigns/{CAMPAIGN}")).text
    links = re.findall(rf'href="(/campaigns/{CAMPAIGN}/messages[^"]*)"[^>]*>(?:<span>\w+</span> <b>)?(\d+)<', html)
    assert len(links) > 15
    for path, number in links:
        listed = (await operator.get(html_entities.unescape(path))).text
        body = listed.partition("<tbody>")[2].partition("</tbody>")[0]
        assert body.count("<tr>") == int(number), path


async def test_replies_opt_outs_clicks_by_link_and_what_was_kept_back_lead_to_their_lists(
    operator: Browser, ledger: Ledger
) -> None:
    await sent_campaign(ledger)
    now_s = await ledger.now_ms() // 1000
    digests = (number.to_bytes(8, "big") for number in range(100, 200))
    reactions = [
        DeliveryReport(CAMPAIGN, 0, 0, "replied", 0, now_s, next(digests)),
        DeliveryReport(CAMPAIGN, 2, 0, "replied", 0, now_s, next(digests), asks_to_stop=True),
        DeliveryReport(CAMPAIGN, 2, 0, "clicked", 0, now_s, next(digests), link=1),
        DeliveryReport(CAMPAIGN, 2, 0, "clicked", 0, now_s, next(digests), link=3),
    ]
    await ledger.report_applier.apply(reactions)
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN) + ":statistics", "kept_parts:duplicate", 4)
    html = (await operator.get(f"/campaigns/{CAMPAIGN}")).text
    page = text_of_page(html)
    clicks = 6 + 2  # the clicks of sent_campaign have no link
    assert f"Clicks {clicks} of" in page
    assert "link 1: 1 , link 3: 1 , not known: 6" in page
    href = f'href="/campaigns/{CAMPAIGN}/messages'
    for link, clicked, words in ((1, 1, "link 1 clicked"), (3, 1, "link 3 clicked"), (0, 6, "the link is not known")):
        assert f'{href}?link_{link}=1">{clicked}</a>' in html
        listed = (await operator.get(f"/campaigns/{CAMPAIGN}/messages?link_{link}=1")).text
        assert words in text_of_page(listed)
        rows = re.findall(r'<tr>\s*<td class="n">(\d+)</td>', listed)
        assert (len(rows), "Each message is listed once" in listed) == (clicked, True)
    assert f'{href}?replied=1"><span>Replies</span><b>2</b>' in html
    assert f'{href}?opted_out=1"><span>Opt-outs</span><b>1</b>' in html
    kept = html.partition('<table aria-label="Not sent"')[2].partition("</table>")[0]
    assert f'{href}?state=suppressed&amp;code=31">1</a>' in kept
    assert "duplicate" in kept
    assert "the rejects file of the submit lists them" in page
