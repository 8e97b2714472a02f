"""The console in a real browser, on a real stack with the sandbox."""

import json
import re
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.kit.browser import CHROMIUM, ConsoleVisit, needs_chromium, running_chromium, visiting
from tests.kit.command_line import campaign_file, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.model import CampaignId

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("console"), needs_chromium]

SANDBOX = {
    "seed": 5,
    "latency_min_ms": 2,
    "latency_max_ms": 20,
    "invalid_numbers": 0.01,
    "reports": {"delay_min_ms": 50, "delay_max_ms": 800, "failed": 0.1, "odd": 0.1},
}
_STRUCTURE = """() => {
    const seen = (element) => element.getClientRects().length > 0;
    const named = (element) => element.getAttribute("aria-label")
        || document.getElementById(element.getAttribute("aria-labelledby") || "");
    const fields = [...document.querySelectorAll("input:not([type=hidden]), select, textarea")];
    const unnamed = [
        ...[...document.querySelectorAll("table")].filter((table) => !named(table)),
        ...fields.filter((field) => !field.labels.length),
        ...[...document.querySelectorAll("button, a[href]")].filter((each) => seen(each) && !each.textContent.trim()),
    ];
    const buttons = [...document.querySelectorAll("button, select, input:not([type=hidden]), a.button")].filter(seen);
    return {
        headings: [...document.querySelectorAll("h1, h2, h3, h4")].map((heading) => Number(heading.tagName[1])),
        unnamed: unnamed.map((element) => element.outerHTML.slice(0, 160)),
        cells: [...document.querySelectorAll("thead th:not([scope]), tbody th:not([scope])")].map((th) => th.outerHTML),
        small: buttons.filter((button) => button.type !== "checkbox" && button.getBoundingClientRect().height < 24)
            .map((button) => button.outerHTML.slice(0, 160)),
    };
}"""
"""Returns headings in their order, elements without a name, header cells without a scope, and small targets."""
PAGES = (
    "/",
    "/campaigns",
    "/campaigns/{id}",
    "/campaigns/{id}/messages",
    "/senders",
    "/senders/TIMESM",
    "/numbers",
    "/templates",
    "/system",
    "/system/trail",
    "/campaigns?q=nothing&sent_since=2026-01-01&sent_until=2026-01-31",
    "/campaigns?state=archived",
    "/campaigns/{id}/resend?state=failed",
    "/senders/TIMESM/pause",
    "/senders/TIMESM/rate?rate=10",
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(workers=1, console=True, sandbox=SANDBOX) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def ended(stack: Stack) -> str:
    """A campaign that has ended, with all its reports."""
    return _campaign(stack, "ended-campaign", 400, wait=True)


def _campaign(
    stack: Stack, name: str, messages: int, *, wait: bool = False, seed: int = 1, extra: str = ""
) -> CampaignId:
    """Submit a campaign, and return its id.

    Args:
        stack: the processes.
        name: the campaign's name.
        messages: the number of messages.
        wait: whether the call returns only after all reports have arrived.
        seed: the seed of the recipients.
        extra: further lines of the campaign file.
    """
    rows = stack.folder / f"{name}.csv"
    recipients.write(rows, messages, seed=seed, wrong=False)
    campaign = submit(stack, campaign_file(stack, name, extra=extra), rows)
    if wait:
        watch(stack, campaign, timeout_s=60)
        run(["dispatch", "watch", campaign, "--until", "reports", "--timeout", "60"], stack.environment)
    return campaign


def _shown(stack: Stack, campaign: str) -> dict[str, Any]:
    view: dict[str, Any] = json.loads(run(["dispatch", "show", campaign, "--json"], stack.environment).stdout)
    return view


def test_nobody_sees_a_page_without_a_login_and_the_keyboard_is_enough_to_log_in(
    browser: Browser, stack: Stack
) -> None:
    with visiting(browser, stack, "") as visit:
        visit.go("/campaigns")
        assert "/login" in visit.page.url
        visit.page.get_by_label("Name").focus()
        visit.page.keyboard.type("viewer")
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.type("wrong")
        visit.page.keyboard.press("Enter")
        visit.page.get_by_role("alert").wait_for()
        visit.page.get_by_label("Name").fill("viewer")
        visit.page.get_by_label("Password").focus()
        visit.page.keyboard.type(stack.console_users["viewer"])
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url("**/campaigns")


def test_the_numbers_move_by_themselves_and_are_those_of_the_command_line(browser: Browser, stack: Stack) -> None:
    with visiting(browser, stack, "viewer") as visit:
        campaign = _campaign(stack, "moves", 2_000, seed=3)
        card = visit.page.locator(f"#campaign-{campaign}")
        card.wait_for()  # the card appears without a reload
        first = card.locator(".facts").inner_text()
        deadline = time.monotonic() + 120
        while card.count() and card.locator(".facts").inner_text() == first:
            assert time.monotonic() < deadline, "the card stands still"
            time.sleep(0.1)
        visit.go(f"/campaigns/{campaign}")
        watch(stack, campaign, timeout_s=60)
        run(["dispatch", "watch", campaign, "--until", "reports", "--timeout", "60"], stack.environment)
        counts = _shown(stack, campaign)["states"]
        row = visit.page.locator('[sse-swap="states"] tbody tr', has_text="delivered")
        shown = f"{counts['delivered']:,}"
        began = time.monotonic()
        while row.locator("td").first.inner_text() != shown:
            assert time.monotonic() - began < 120, (row.locator("td").first.inner_text(), shown)
            time.sleep(0.05)
        assert visit.complaints == []


def test_details_stay_open_and_the_focus_stays_when_a_piece_changes(browser: Browser, stack: Stack) -> None:
    with visiting(browser, stack, "viewer") as visit:
        campaign = _campaign(stack, "stays", 2_500, seed=4)
        visit.go(f"/campaigns/{campaign}")
        details = visit.page.locator('[sse-swap="course"] details').first
        details.wait_for()
        details.locator("summary").click()
        details.locator("summary").focus()
        watch(stack, campaign, timeout_s=60)
        assert visit.page.locator('[sse-swap="course"] details').first.get_attribute("open") is not None
        assert visit.page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_an_operator_pauses_with_a_preview_and_the_trail_names_him(browser: Browser, stack: Stack) -> None:
    campaign = _campaign(stack, "pause-me", 16_000, seed=6, extra="rate_per_s = 50\n")
    with visiting(browser, stack, "viewer") as visit:
        visit.go(f"/campaigns/{campaign}")
        assert visit.page.get_by_role("link", name="Pause").count() == 0
        visit.go(f"/campaigns/{campaign}/pause")
        assert "operator" in visit.text()
        visit.go("/numbers")
        assert "operator" in visit.text()
    with visiting(browser, stack, "operator") as visit:
        visit.go(f"/campaigns/{campaign}")
        visit.page.get_by_role("link", name="Pause").click()
        assert re.search(r"\d messages", visit.text())
        visit.page.get_by_role("main").get_by_role("button", name=re.compile("Pause")).click()
        visit.page.get_by_role("status").first.wait_for()
        assert _shown(stack, campaign)["state"] == "paused"
        visit.go(f"/campaigns/{campaign}")
        assert "paused by operator" in re.sub(r"\s+", " ", visit.text())
        status = visit.page.evaluate(
            """async (path) => {
                const body = new URLSearchParams({csrf: "forged"});
                return (await fetch(path, {method: "POST", body})).status;
            }""",
            f"/campaigns/{campaign}/cancel",
        )
        assert status == 403
    assert _shown(stack, campaign)["state"] == "paused"
    run(["dispatch", "cancel", campaign, "--yes"], stack.environment)


@pytest.mark.parametrize(("width", "dark"), [(width, dark) for width in (360, 768, 1280) for dark in (False, True)])
def test_every_page_fits_its_window_and_axe_finds_nothing(
    browser: Browser, stack: Stack, ended: str, width: int, dark: bool
) -> None:
    with visiting(browser, stack, "owner", width=width, dark=dark) as visit:
        for path in PAGES:
            visit.go(path.format(id=ended))
            assert visit.wider_than_the_window() <= 0, path
            assert visit.violations() == [], path
        visit.go("/numbers")
        visit.page.get_by_label("Phone number").fill("9876543210")
        visit.page.get_by_role("button", name="Look up").click()
        visit.page.get_by_role("heading", level=2).wait_for()
        assert visit.wider_than_the_window() <= 0
        assert visit.violations() == []
        assert visit.complaints == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_login_and_a_wrong_password_fit_a_small_window_and_axe_finds_nothing(
    browser: Browser, stack: Stack, dark: bool
) -> None:
    with visiting(browser, stack, "", width=360, dark=dark) as visit:
        visit.go("/login")
        assert visit.violations() == []
        visit.page.get_by_label("Name").fill("nobody")
        visit.page.get_by_label("Password").fill("a wrong password")
        visit.page.keyboard.press("Enter")
        visit.page.get_by_role("alert").wait_for()
        assert visit.wider_than_the_window() <= 0
        assert visit.violations() == []


@pytest.mark.parametrize("dark", [False, True])
def test_headings_are_in_order_and_each_table_field_and_target_has_a_name_and_a_size(
    browser: Browser, stack: Stack, ended: str, dark: bool
) -> None:
    with visiting(browser, stack, "owner", dark=dark) as visit:
        for path in PAGES:
            visit.go(path.format(id=ended))
            found = visit.page.evaluate(_STRUCTURE)
            assert found["headings"][0] == 1, (path, found)
            assert all(later - earlier <= 1 for earlier, later in pairwise(found["headings"])), (path, found)
            assert (found["unnamed"], found["cells"]) == ([], []), (path, found)
            assert found["small"] == [], (path, found)


def test_a_lost_connection_is_said_and_comes_back(browser: Browser, stack: Stack) -> None:
    with visiting(browser, stack, "viewer") as visit:
        line = visit.page.locator("#connection")
        visit.page.wait_for_timeout(1_500)  # the stream is open
        stack.processes["console"].send(signal.SIGSTOP)
        try:
            line.wait_for(state="visible", timeout=30_000)
            assert "No connection since" in line.inner_text()
        finally:
            stack.processes["console"].send(signal.SIGCONT)
        line.wait_for(state="hidden", timeout=60_000)


def test_the_keyboard_alone_pauses_a_campaign(browser: Browser, stack: Stack) -> None:
    campaign = _campaign(stack, "by-keyboard", 16_000, seed=8, extra="rate_per_s = 50\n")
    with visiting(browser, stack, "operator") as visit:
        visit.go(f"/campaigns/{campaign}")
        visit.page.keyboard.press("Tab")
        assert _focused(visit) == "Skip to the page"
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate("document.activeElement.id") == "main"
        _tab_to(visit, "Pause")
        assert visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url("**/pause")
        _tab_to(visit, "Pause the campaign")
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url(f"**/campaigns/{campaign}")
    assert _shown(stack, campaign)["state"] == "paused"
    run(["dispatch", "cancel", campaign, "--yes"], stack.environment)


def _focused(visit: ConsoleVisit) -> str:
    return str(visit.page.evaluate("document.activeElement.innerText")).strip()


def _tab_to(visit: ConsoleVisit, name: str) -> None:
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        if _focused(visit) == name:
            return
    raise AssertionError(f"the keyboard does not reach {name}")


def test_numbers_change_their_form_and_nothing_moves_for_who_wants_no_motion(
    browser: Browser, stack: Stack, ended: str
) -> None:
    with visiting(browser, stack, "viewer") as visit:
        visit.go(f"/campaigns/{ended}")
        moving = (
            "[...document.querySelectorAll('a, button')].some((e) => getComputedStyle(e).transitionDuration != '0s')"
        )
        assert visit.page.evaluate(moving) is False
        times = visit.page.locator("main time").first
        assert re.search(r"[ap]m", times.inner_text())
        visit.page.get_by_role("button", name="1,234,567").click()
        assert visit.page.url.endswith(f"/campaigns/{ended}")
        assert not re.search(r"[ap]m", times.inner_text())


def test_a_printed_page_has_its_tables_and_no_navigation(browser: Browser, stack: Stack, ended: str) -> None:
    with visiting(browser, stack, "viewer", dark=True) as visit:
        visit.go(f"/campaigns/{ended}")
        visit.page.emulate_media(media="print")
        assert not visit.page.get_by_role("navigation", name="Pages").is_visible()
        assert visit.page.locator('[sse-swap="course"] details table').first.is_visible()
        assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
