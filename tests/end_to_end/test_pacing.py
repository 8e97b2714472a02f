"""Real workers keep and use a sender's rate, by the ledger's send times and by the sandbox's books."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.kit.command_line import campaign_file, compare, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.comparison import max_per_second
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.states import CampaignState

pytestmark = [pytest.mark.processes, pytest.mark.alone]

RATE = 200
MESSAGES = 3_000
MIN_USED = 0.7
"""The smallest share of the rate that must be used, on a busy machine; a quiet machine uses at least 97 %, as the suite
in ``tests/chaos`` measures. Workers that shared the rate in fixed thirds, or waited for their turns, would use less."""
MAX_ARRIVING = 1.5
"""The largest factor of the rate that may arrive in one second: a busy machine delays messages into the next second; on
a quiet machine the factor is at most 1.1. Three workers without a shared pace would reach 3."""
IDLE_S = float(os.environ.get("IDLE_S", "5"))
"""Seconds without sending; the environment variable ``IDLE_S`` changes the time."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    settings = SETTINGS.read_text("utf-8").replace("rate_per_s = 800", f"rate_per_s = {RATE}")
    with Stack(
        workers=3, settings=settings, sandbox={"seed": 5, "reports": {"delay_min_ms": 100, "delay_max_ms": 2_000}}
    ) as stack:
        yield stack


def test_three_workers_keep_and_use_a_senders_limit_also_after_an_idle_time(stack: Stack) -> None:
    first = send(stack, "paced", MESSAGES)
    time.sleep(IDLE_S)  # the test waits for a time, because it tests the idle time itself
    second = send(stack, "after-idle", 600)

    for sent_ms, seconds, messages in (first, second):
        used, arriving = messages / RATE / seconds, stack.books()["senders"]["TIMESM"]["max_per_second"]
        print(f"{messages:,} messages: {used:.1%} of the rate used, {arriving} arrived in the fullest second")  # noqa: T201
        assert max_per_second(sent_ms) <= RATE * 1.05
        assert used <= 1.03
        assert used >= MIN_USED
    assert max_per_second(sorted(first[0] + second[0])) <= RATE * 1.05
    assert arriving <= RATE * MAX_ARRIVING


def send(stack: Stack, name: str, messages: int) -> tuple[list[int], float, int]:
    rows = stack.folder / f"{name}.csv"
    recipients.write(rows, messages, seed=messages, wrong=False)
    campaign = submit(stack, campaign_file(stack, name), rows)
    watch(stack, campaign, timeout_s=messages / RATE * 2 + 10)
    view, comparison = compare(stack, campaign)
    assert view.state is CampaignState.FINISHED
    assert comparison.examples == []
    return comparison.sent_ms, (comparison.sent_ms[-1] - comparison.sent_ms[0]) / 1000, messages
