import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.kit.command_line import campaign_file, compare, show, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.states import SENT, CampaignState

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("campaign")]  # one stack for all tests of the file

SANDBOX = {
    "seed": 7,
    "latency_min_ms": 2,
    "latency_max_ms": 20,
    "invalid_numbers": 0.01,
    "reports": {"delay_min_ms": 50, "delay_max_ms": 1_000, "failed": 0.1, "early": 0.05, "duplicated": 0.1, "odd": 0.2},
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(workers=2, reconcilers=2, flower=True, sandbox=SANDBOX) as stack:
        yield stack


def test_a_campaign_goes_out_and_its_reports_come_back_message_by_message(stack: Stack) -> None:
    rows = stack.folder / "customers.csv"
    recipients.write(rows, 3_000)
    campaign = submit(stack, campaign_file(stack, "end-to-end"), rows)

    watch(stack, campaign, timeout_s=60)
    view, comparison = compare(stack, campaign)

    assert view.state is CampaignState.FINISHED
    assert view.counters_add_up
    assert comparison.examples == []
    assert comparison.accepted_twice == 0
    assert comparison.undecided == 0
    books = stack.books()["all"]
    assert books["accepted"] == books["distinct_ids"] == sum(view.counts[state] for state in SENT)
    assert books["parts"] == view.parts
    assert books["refused"]["2054"] == view.codes["push:2054"] > 0
    reported = {name.removeprefix("report:"): number for name, number in view.codes.items() if "report:" in name}
    assert reported == books["reports"]["failed_codes"]
    assert view.stats["clicked"] == books["reports"]["distinct"]["clicked"]
    stack.check()


def test_flower_shows_a_row_for_the_campaign_and_nothing_of_any_recipient(stack: Stack) -> None:
    rows = stack.folder / "flower.csv"
    recipients.write(rows, 2_500, seed=2, wrong=False)
    campaign = submit(stack, campaign_file(stack, "flower-row"), rows)
    seen = set()
    watching = subprocess.Popen(
        [Path(sys.executable).parent / "dispatch", "watch", campaign],
        env=stack.environment,
        stdout=subprocess.DEVNULL,
    )
    while watching.poll() is None:
        seen |= {row["result"] for row in flower(stack, "campaign") if campaign in row["args"] and row["result"]}

    assert watching.returncode == 0
    assert any(re.match(r"running\b.* \d+ % · .*[\d,]+ of 2,500 sent", text) for text in seen), seen
    assert len(seen) > 1
    mine = [row for row in flower(stack, "campaign") if campaign in row["args"]]
    assert [row["name"] for row in mine] == ["campaign"]
    batches = [row["args"] for row in flower(stack, "batch") if row["args"].startswith("flower-row")]
    assert sorted(batches) == [f"flower-row {number}/3 TIMESM" for number in range(1, 4)]
    everything = httpx.get(f"{stack.flower_url}/api/tasks", auth=stack.flower_auth, trust_env=False).text
    assert not re.search(
        r"(?<!\d)(91)?[6-9]\d{9}(?!\d)", re.sub(r'"(uuid|root_id|parent_id)": "[^"]*"|\d+\.\d+', "", everything)
    )
    assert "has been shipped" not in everything
    assert stack.environment["SANDBOX_PASSWORD"] not in everything
    assert httpx.get(f"{stack.flower_url}/api/tasks", trust_env=False).status_code == httpx.codes.UNAUTHORIZED


def test_the_same_submit_again_sends_nothing_twice(stack: Stack) -> None:
    rows = stack.folder / "again.csv"
    recipients.write(rows, 300, seed=3, wrong=False)
    file = campaign_file(stack, "again")
    first = submit(stack, file, rows)
    watch(stack, first, timeout_s=30)
    sent = stack.books()["all"]["accepted"]

    assert submit(stack, file, rows) == first
    assert show(stack, first)["state"] == "finished"
    assert stack.books()["all"]["accepted"] == sent


def test_a_cancelled_campaign_sends_no_more_and_its_counters_add_up(stack: Stack) -> None:
    rows = stack.folder / "cancelled.csv"
    recipients.write(rows, 4_000, seed=4, wrong=False)
    campaign = submit(stack, campaign_file(stack, "cancelled", extra="rate_per_s = 20\n"), rows)
    while show(stack, campaign)["first_sent_ms"] == 0:
        pass

    assert run(["dispatch", "cancel", campaign, "--yes"], stack.environment).returncode == 0
    shown = show(stack, campaign)
    while shown["states"]["pending"] + shown["states"]["sending"]:
        shown = show(stack, campaign)
    view, comparison = compare(stack, campaign)

    assert shown["state"] == "cancelled"
    assert shown["states"]["cancelled"] > 3_000
    assert view.counters_add_up
    assert comparison.examples == []


def flower(stack: Stack, name: str) -> list[dict[str, str]]:
    answer = httpx.get(
        f"{stack.flower_url}/api/tasks", params={"taskname": name}, auth=stack.flower_auth, timeout=60, trust_env=False
    )
    return list(answer.json().values())
