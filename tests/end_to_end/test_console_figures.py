"""Each figure of the console equals the length of its list, and command line, export, metrics, recount and books."""

import asyncio
import csv
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

import times_dispatch.demo
from benchmarks.viewers import log_in
from tests.end_to_end.test_handover import AWAY
from tests.kit.command_line import compare, show, submit, watch
from tests.kit.console import text_of_page
from tests.kit.waiting import wait_until
from times_dispatch.demo import recipients
from times_dispatch.demo.comparison import fetch_books
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.model import CampaignId

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # a campaign, its second tries, its clicks and a resend

ROWS = 900
_RULE = '\n[retry_failed]\ncodes = ["912"]\nafter = ["1s"]\nat_most = 1\n'
_SANDBOX = {
    "seed": 11,
    "latency_max_ms": 10,
    "invalid_numbers": 0.04,
    "reports": {
        "delay_min_ms": 20,
        "delay_max_ms": 900,
        "failed_first": 0.1,
        "failed_first_codes": {"912": 1},
        "failed": 0.2,
        "failed_codes": {"901": 2, "910": 1, "916": 1},
        "missing": 0.05,
        "odd": 0.1,
        "duplicated": 0.1,
        "clicked": 0.0,
        "replied": 0.05,
    },
    "clicks": {"share": 0.3, "delay_max_ms": 500},
}
_FIGURE = re.compile(r'<a (?:class="[^"]*" )?href="(/campaigns/\w+/messages[^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
_NEXT = re.compile(r'<a class="button" href="([^"]+)" rel="next">')


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    settings = SETTINGS.read_text("utf-8").replace(
        "rate_per_s = 800", 'rate_per_s = 800\nprovider = ["away", "timesmobile"]'
    )
    credentials = {"DISPATCH_PROVIDER_AWAY_USERNAME": "shop", "DISPATCH_PROVIDER_AWAY_PASSWORD": "hunter2"}
    with Stack(
        workers=1,
        console=True,
        metrics=True,
        links=True,
        settings=settings + AWAY,
        sandbox=_SANDBOX,
        environment=credentials,
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def console(stack: Stack) -> Iterator[httpx.Client]:
    cookie = {"Cookie": log_in(stack, "operator")}
    with httpx.Client(base_url=stack.console_url, headers=cookie, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def campaign(stack: Stack) -> CampaignId:
    """A campaign whose messages end in all ways, with two providers, second tries, opt-outs, clicks, lost reports."""
    rows = stack.folder / "customers.csv"
    recipients.write(rows, ROWS, seed=5, wrong=False)
    with rows.open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    done = run(["dispatch", "optout", "add", first["to"]], stack.environment)
    assert done.returncode == 0, done.stderr
    path = stack.folder / "every-end.toml"
    demo = Path(times_dispatch.demo.__file__).parent / "campaign.toml"
    path.write_text(demo.read_text("utf-8").replace('"diwali-sale"', '"every-end"') + _RULE, "utf-8")
    return _sent(stack, submit(stack, path, rows))


def _sent(stack: Stack, campaign: CampaignId) -> CampaignId:
    watch(stack, campaign, timeout_s=120)
    until = time.monotonic() + 120
    before: dict[str, Any] = {}
    # The sandbox loses reports on purpose, so the campaign is at rest when nothing waits and nothing has changed.
    while time.monotonic() < until:
        waiting, shown = stack.books()["reports"], show(stack, campaign)
        if shown["retries_waiting"] or waiting["pending"] or waiting["pending_clicks"]:
            before = {}
        elif shown == before:
            return campaign
        else:
            before = shown
        time.sleep(3)
    raise AssertionError(f"the campaign does not come to rest: {before}")


def _page(console: httpx.Client, path: str) -> str:
    answer = console.get(path)
    assert answer.is_success, text_of_page(answer.text)
    return answer.text


def _listed(console: httpx.Client, path: str) -> int:
    """Return the number of messages on all pages of a list."""
    listed = 0
    while path:
        html = _page(console, path)
        listed += html.partition("<tbody>")[2].count("<tr>")
        following = _NEXT.search(html)
        path = unescape(following[1]) if following else ""
    return listed


def _figures(html: str) -> list[tuple[str, int]]:
    """Return the address of each list of messages and the number in the link to the list; codes are left out."""
    found = []
    for href, inner in _FIGURE.findall(html):
        bold = re.search(r"<b>([\d,]+)</b>", inner) or re.fullmatch(r"\s*([\d,]+)\s*", inner)
        is_code = bold and unescape(href).endswith(f"&code={bold[1]}")
        if bold and not is_code and "Parts" not in inner:  # a message may have several parts
            found.append((unescape(href), int(bold[1].replace(",", ""))))
    return found


def test_each_number_of_messages_is_as_long_as_its_list(console: httpx.Client, campaign: CampaignId) -> None:
    pages = {f"/campaigns/{campaign}": 18, "/campaigns": 3, "/": 1, f"/campaigns/{campaign}/messages": 5}
    for path, least in pages.items():
        figures = set(_figures(_page(console, path)))
        assert len(figures) >= least, (path, figures)
        lengths = {href: _listed(console, href) for href, _ in figures}
        assert {(href, lengths[href]) for href, _ in figures} == figures, path


def test_console_command_line_export_metrics_recount_and_books_have_the_same_numbers(
    stack: Stack, console: httpx.Client, campaign: CampaignId
) -> None:
    shown = show(stack, campaign)
    statistics, states = shown["statistics"], {name: number for name, number in shown["states"].items() if number}
    assert {"delivered", "failed", "rejected", "accepted"} <= set(states)
    assert statistics["clickers"] > 0
    assert statistics["retried"]["1"] > statistics["recovered"]["1"] > 0

    html = _page(console, f"/campaigns/{campaign}")
    figures = dict(_figures(html))
    assert {name: figures[f"/campaigns/{campaign}/messages?state={name}"] for name in states} == states
    reactions = {"clicked": "clickers", "replied": "replied", "opted_out": "opted_out"}
    for mark, name in reactions.items():
        assert statistics[name] > 0
        assert figures[f"/campaigns/{campaign}/messages?{mark}=1"] == statistics[name]
    assert figures[f"/campaigns/{campaign}/messages?tries=1"] == statistics["retried"]["1"]
    assert figures[f"/campaigns/{campaign}/messages?recovered=1"] == statistics["recovered"]["1"]
    codes = {(each["state"], each["code"]): each["messages"] for each in statistics["codes"]}
    of_page = {
        (state, int(code)): number
        for href, number in figures.items()
        if (match := re.search(r"state=(\w+)&code=(\d+)$", href))
        for state, code in [match.groups()]
    }
    assert of_page == codes
    text = text_of_page(html)
    for number in (statistics["parts"], statistics["replied"], statistics["opted_out"]):
        assert re.search(rf"\b{number:,}\b", text)
    assert f"Rs {Decimal(statistics['cost_rupees']):,.2f}" in text

    out = stack.folder / "export.csv"
    done = run(["dispatch", "report", campaign, "--out", str(out)], stack.environment)
    assert done.returncode == 0, done.stderr
    with out.open(encoding="utf-8", newline="") as file:
        assert Counter(row["state"] for row in csv.DictReader(file)) == states

    wait_until(lambda: _metric(stack) == states, f"the metrics {states}")
    recounted = json.loads(run(["dispatch", "stats", "--recount", "--json"], stack.environment).stdout)
    assert recounted["differences"] == []

    view, comparison = compare(stack, campaign, within_s=1)
    assert (comparison.examples, comparison.accepted_twice, comparison.undecided) == ([], 0, 0)
    books = asyncio.run(fetch_books(stack.sandbox_url))
    assert sum(entry.parts for entry in books.values()) == statistics["parts"] == view.parts


def test_a_resend_is_what_its_preview_says_and_both_campaigns_keep_their_figures(
    stack: Stack, console: httpx.Client, campaign: CampaignId
) -> None:
    failed = show(stack, campaign)["states"]["failed"]
    # Some reports never arrive, so that second tries may still follow; before their end no resend is possible.
    refused = console.get(f"/campaigns/{campaign}/resend?state=failed")
    assert refused.status_code == 200
    assert "wait until it is finished, or cancel it first" in text_of_page(refused.text)
    assert "/resend" not in _page(console, f"/campaigns/{campaign}")
    form = _page(console, f"/campaigns/{campaign}/cancel")
    fields = {name: _field(form, name) for name in ("csrf", "state")}
    cancelled = console.post(f"/campaigns/{campaign}/cancel", data={**fields, "sure": "yes"})
    assert cancelled.status_code == 303, text_of_page(cancelled.text)
    assert show(stack, campaign)["state"] == "cancelled"

    preview = _page(console, f"/campaigns/{campaign}/resend?state=failed")
    assert f"{failed} messages" in text_of_page(preview)
    fields = {name: _field(preview, name) for name in ("csrf", "messages")}
    answer = console.post(f"/campaigns/{campaign}/resend", data={**fields, "state": "failed"})
    assert answer.status_code == 303, text_of_page(answer.text)
    resent = CampaignId(answer.headers["location"].rpartition("/")[2])
    _sent(stack, resent)
    assert show(stack, resent)["total"] == failed
    assert show(stack, campaign)["states"]["failed"] == failed
    figures = set(_figures(_page(console, f"/campaigns/{resent}")))
    assert {(href, _listed(console, href)) for href, _ in figures} == figures
    again = text_of_page(_page(console, f"/campaigns/{campaign}/resend?state=failed"))
    assert "No message is left to resend" in again
    audit = run(["dispatch", "audit"], stack.environment).stdout
    assert "operator (console)" in audit
    recounted = json.loads(run(["dispatch", "stats", "--recount", "--json"], stack.environment).stdout)
    assert recounted["differences"] == []


def _field(html: str, name: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', html.rpartition('<form method="post" class="stack"')[2])
    assert match, name
    return unescape(match[1])


def _metric(stack: Stack) -> dict[str, int]:
    found = Counter[str]()
    for line in httpx.get(stack.metrics_url, timeout=60).text.splitlines():
        if line.startswith("dispatch_messages{") and (match := re.search(r'state="(\w+)".* ([\d.e+]+)$', line)):
            found[match[1]] += int(float(match[2]))
    return {state: number for state, number in found.items() if number}
