import re

import pytest

from tests.kit.console import Browser
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction


def _ids(html: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/campaigns/(\w{8})">', html)


async def test_filters_stand_in_the_address_and_in_the_form(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3, campaign="diwali01", name="Diwali sale")
    await ledger.submit(3, campaign="holi0001", name="Holi sale")
    assert _ids((await viewer.get("/campaigns?q=diw")).text) == ["diwali01"]
    html = (await viewer.get("/campaigns?q=SALE&state=running&sender=TIMESM")).text
    assert sorted(_ids(html)) == ["diwali01", "holi0001"]
    assert 'value="SALE"' in html
    assert "<option selected>running</option>" in html
    assert "No campaign fits" in (await viewer.get("/campaigns?state=paused")).text
    assert "No campaign fits" in (await viewer.get("/campaigns?until=2020-01-01")).text


async def test_days_are_typed_and_shown_in_the_form_of_india_or_in_the_chosen_one(
    viewer: Browser, ledger: Ledger
) -> None:
    await ledger.submit(3)
    for written in ("31/12/2019", "2019-12-31"):
        html = (await viewer.get(f"/campaigns?since={written}&until=1/1/2100")).text
        assert _ids(html) == [CAMPAIGN]
        assert 'name="since" value="31/12/2019"' in html
        assert 'name="until" value="01/01/2100"' in html
        assert 'placeholder="dd/mm/yyyy"' in html
    assert _ids((await viewer.get("/campaigns?until=31/12/2019")).text) == []
    assert 'type="date"' not in html


async def test_live_stands_for_every_state_before_the_end(viewer: Browser, ledger: Ledger) -> None:
    for campaign in ("running1", "paused01", "braked01", "ended001"):
        await ledger.submit(3, campaign=campaign)
    await ledger.control.campaign(SENDER, CampaignId("paused01"), ControlAction.PAUSE)
    await ledger.control.campaign(SENDER, CampaignId("braked01"), ControlAction.BRAKE)
    await ledger.control.campaign(SENDER, CampaignId("ended001"), ControlAction.CANCEL)
    assert sorted(_ids((await viewer.get("/campaigns?state=live")).text)) == ["braked01", "paused01", "running1"]
    assert 'href="/campaigns?state=live"><span>Live campaigns</span><b>3</b>' in (await viewer.get("/")).text


@pytest.mark.parametrize(
    ("written", "possible"),
    [
        ("state=asleep", "live, submitting, running,"),
        ("state=archived&order=upwards", "newest, oldest"),
        ("sender=NOBODY", "OTHERS, TIMESM"),
        ("provider=nobody", "times"),
        ("since=tomorrow", "days from 2000 to 2999"),
        ("until=9999-12-31", "31/12/2026 or 2026-12-31"),
        ("reason=910", "a state of messages, a colon and a code"),
        ("reason=lost:910", "a state of messages, a colon and a code"),
        ("reason=failed:x", "a state of messages, a colon and a code"),
        ("sent_since=1-1", "days from"),
        ("sent_until=2026-13-01", "days from"),
        ("order=upwards", "newest, oldest"),
        ("after=x-y", "Next page"),
    ],
)
async def test_a_filter_that_does_not_exist_is_an_error_and_does_not_show_all(
    viewer: Browser, ledger: Ledger, written: str, possible: str
) -> None:
    await ledger.submit(3)
    response = await viewer.get(f"/campaigns?{written}")
    assert (response.status_code, _ids(response.text)) == (400, [])
    assert f"The address has {written.rpartition('&')[2]}. Possible: " in response.text
    assert possible in response.text


async def test_a_sender_of_the_settings_without_campaigns_stays_chosen_in_the_form(
    viewer: Browser, ledger: Ledger
) -> None:
    await ledger.submit(3)
    html = (await viewer.get("/campaigns?sender=OTHERS")).text
    assert "<option selected>OTHERS</option>" in html
    assert "No campaign fits" in html


async def test_a_second_page_goes_on_where_the_first_ended(viewer: Browser, ledger: Ledger) -> None:
    for number in range(55):
        await ledger.submit(1, campaign=f"c{number:07}")
    html = (await viewer.get("/campaigns")).text
    [more] = re.findall(r'href="(/campaigns\?[^"]+)" rel="next"', html)
    second = (await viewer.get(more.replace("&amp;", "&"))).text
    assert sorted(_ids(html) + _ids(second)) == [f"c{number:07}" for number in range(55)]
    assert 'rel="next"' not in second


async def test_the_oldest_come_first_if_somebody_wants_so(viewer: Browser, ledger: Ledger) -> None:
    for number in range(45):
        await ledger.submit(1, campaign=f"c{number:07}")
    html = (await viewer.get("/campaigns?order=oldest")).text
    assert _ids(html) == [f"c{number:07}" for number in range(40)]
    [more] = re.findall(r'href="(/campaigns\?[^"]+)" rel="next"', html)
    assert "order=oldest" in more
    assert _ids((await viewer.get(more.replace("&amp;", "&"))).text) == [f"c{number:07}" for number in range(40, 45)]


async def test_the_days_of_sending_stay_in_the_address_and_in_the_form(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"a")
    path = "/campaigns?sent_since=2020-01-01&sent_until=2100-01-01"
    html = (await viewer.get(path)).text
    assert _ids(html) == [CAMPAIGN]
    assert '<input type="hidden" name="sent_since" value="2020-01-01">' in html
    assert "Campaigns that sent or held back messages from 1 Jan 2020 to 1 Jan 2100.</p>" in html
    assert "sent_until=2100-01-01&amp;order=oldest" in html
    html = (await viewer.get("/campaigns?sent_since=2100-01-01&sent_until=2100-01-01")).text
    assert _ids(html) == []
    assert "Campaigns that sent or held back messages on 1 Jan 2100." in html
    assert "No campaign fits" in html


async def test_an_empty_ledger_says_what_to_do(viewer: Browser) -> None:
    assert "There are no campaigns yet" in (await viewer.get("/campaigns")).text
