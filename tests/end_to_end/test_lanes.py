"""A sender with lanes on a real stack: tracked links, second tries and a resend agree with the sandbox's books."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import times_dispatch.demo
from tests.kit.command_line import compare, show, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.model import CampaignId

pytestmark = pytest.mark.processes

ROWS = 400
RULE = '[retry_failed]\ncodes = ["912"]\nafter = ["1s"]\nat_most = 1\n'


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    settings = SETTINGS.read_text("utf-8").replace("rate_per_s = 800 ", "lanes = 4\nrate_per_s = 800 ", 1)
    sandbox = {
        "seed": 5,
        "reports": {
            "delay_min_ms": 10,
            "delay_max_ms": 200,
            "failed": 0.3,
            "failed_codes": {"912": 1, "901": 1},
            "clicked": 0.0,
            "replied": 0.0,
        },
        "clicks": {"share": 0.5, "delay_max_ms": 500},
    }
    with Stack(workers=2, links=True, settings=settings, sandbox=sandbox) as stack:
        yield stack


def ended(stack: Stack, campaign: CampaignId) -> dict[str, Any]:
    """Wait until a campaign has finished with all reports and clicks; return the output of ``dispatch show --json``."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        shown, books = show(stack, campaign), stack.books()
        made = books["all"]["reports"]["posted"].get("clicked", 0)
        is_open = shown["state"] != "finished" or shown["states"]["accepted"] or shown["retries_waiting"]
        if not is_open and not books["reports"]["pending_clicks"] and of_sender(stack)["clicked"] >= made:
            break
        time.sleep(0.3)
    return show(stack, campaign)


def of_sender(stack: Stack) -> dict[str, Any]:
    """Return the statistics of the sender, over all campaigns and lanes."""
    totals: dict[str, Any] = dispatch(stack, "stats", "--sender", "TIMESM")
    return totals


def dispatch(stack: Stack, *arguments: str) -> Any:
    """Run a command, and return the JSON that it prints."""
    done = run(["dispatch", *arguments, "--json"], stack.environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_clicks_second_tries_and_a_resend_of_a_campaign_in_lanes_agree_with_the_books(stack: Stack) -> None:
    rows, file = stack.folder / "customers.csv", stack.folder / "campaign.toml"
    recipients.write(rows, ROWS, wrong=False)
    written = (Path(times_dispatch.demo.__file__).parent / "campaign.toml").read_text("utf-8")
    file.write_text(written + RULE, "utf-8")
    campaign = submit(stack, file, rows)
    watch(stack, campaign, timeout_s=60)
    first = ended(stack, campaign)
    view, comparison = compare(stack, campaign)

    assert [lane.total > 0 for lane in view.lanes] == [True] * 4
    assert (comparison.messages, comparison.examples, comparison.accepted_twice) == (ROWS, [], 0)
    books = stack.books()["all"]
    made = books["reports"]["posted"]["clicked"]
    assert first["statistics"]["clicked"] == first["statistics"]["clickers"] == made > ROWS * 0.3
    assert books["accepted"] == ROWS + first["statistics"]["retried"]["1"] > ROWS

    failed = first["states"]["failed"]
    resent = dispatch(stack, "resend", campaign, "--state", "failed", "--yes")
    assert (resent["messages"], resent["resend_of"]) == (failed, campaign)
    child = CampaignId(resent["campaign"])
    watch(stack, child, timeout_s=60)
    second = ended(stack, child)
    view, comparison = compare(stack, child)

    assert (len(view.lanes), view.total) == (4, failed)
    assert (comparison.messages, comparison.examples, comparison.accepted_twice) == (failed, [], 0)
    books = stack.books()["all"]
    clicked = sum(show(stack, each)["statistics"]["clicked"] for each in (campaign, child))
    assert clicked == books["reports"]["posted"]["clicked"] == of_sender(stack)["clicked"]
    chain = dispatch(stack, "stats", "--campaign", campaign, "--chain")
    assert (chain["campaigns"], chain["recipients"]) == ([campaign, child], ROWS)
    assert chain["delivered"] == first["states"]["delivered"] + second["states"]["delivered"]
    assert dispatch(stack, "stats", "--recount")["differences"] == []
    stack.check()
