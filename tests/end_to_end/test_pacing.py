"""What leaves and what arrives, against a sender's limit: by the ledger's own times and by the sandbox's books."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.kit.command_line import campaign_file, compare, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.reckoning import most_in_a_second
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.states import CampaignState

pytestmark = [pytest.mark.processes, pytest.mark.alone]

RATE = 200
MESSAGES = 3_000
IDLE_S = float(os.environ.get("IDLE_S", "5"))
"""A minute of it is tried with IDLE_S=60 in the environment."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    settings = SETTINGS.read_text("utf-8").replace("rate_per_s = 800", f"rate_per_s = {RATE}")
    with Stack(
        workers=3, settings=settings, sandbox={"seed": 5, "reports": {"delay_min_ms": 100, "delay_max_ms": 2_000}}
    ) as stack:
        yield stack


def test_three_workers_keep_a_senders_limit_and_use_it_also_after_an_idle_while(stack: Stack) -> None:
    first = send(stack, "paced", MESSAGES)
    time.sleep(IDLE_S)  # nothing is waited for: idleness itself is what is tried
    second = send(stack, "after-idle", 600)

    for let_go, seconds, messages in (first, second):
        assert most_in_a_second(let_go) <= RATE * 1.05
        assert seconds == pytest.approx(messages / RATE, rel=0.03)
    assert most_in_a_second(sorted(first[0] + second[0])) <= RATE * 1.05
    assert stack.books()["senders"]["TIMESM"]["max_per_second"] <= RATE * 1.1


def send(stack: Stack, name: str, messages: int) -> tuple[list[int], float, int]:
    rows = stack.folder / f"{name}.csv"
    recipients.write(rows, messages, seed=messages, wrong=False)
    campaign = submit(stack, campaign_file(stack, name), rows)
    watch(stack, campaign, timeout_s=messages / RATE * 2 + 10)
    view, reckoning = compare(stack, campaign)
    assert view.state is CampaignState.FINISHED
    assert reckoning.named == []
    return reckoning.let_go_ms, (reckoning.let_go_ms[-1] - reckoning.let_go_ms[0]) / 1000, messages
