"""Tracked links from the campaign file to the counted click, with simulated recipients who click their links."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import times_dispatch.demo
from tests.kit.command_line import show, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.stack import Stack
from times_dispatch.sandbox.config import ClicksConfig

pytestmark = pytest.mark.processes

ROWS = 400


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    sandbox = {
        "reports": {"delay_min_ms": 10, "delay_max_ms": 100, "failed": 0.0, "clicked": 0.0},
        "clicks": {"share": 0.5, "delay_max_ms": 1_500},
    }
    with Stack(workers=1, links=True, sandbox=sandbox) as stack:
        yield stack


def test_every_click_that_was_redirected_is_counted_though_the_links_process_is_killed(stack: Stack) -> None:
    rows = stack.folder / "customers.csv"
    recipients.write(rows, ROWS, wrong=False)
    campaign = submit(stack, Path(times_dispatch.demo.__file__).parent / "campaign.toml", rows)
    watch(stack, campaign, timeout_s=60)
    stack.processes["links"].kill()
    stack.processes["links"].start()

    until = time.monotonic() + 60
    while time.monotonic() < until:
        books = stack.books()
        clicks = show(stack, campaign)["stats"].get("clicked", 0)
        made = books["all"]["reports"]["posted"].get("clicked", 0)
        if not books["reports"]["pending_clicks"] and clicks >= made:
            break
        time.sleep(0.2)

    assert books["all"]["accepted"] == ROWS
    assert ROWS * 0.4 < made < ROWS * 0.6
    # A click may be stored although its answer is lost with the process; then the recipient clicks again.
    assert made <= clicks <= made + ClicksConfig().concurrency
    assert show(stack, campaign)["statistics"]["clickers"] == made
    stack.check()
