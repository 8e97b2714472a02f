"""The whole system with its ledger on a cluster of three primaries and a replica of each primary."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import times_dispatch.demo
from tests.kit.command_line import campaign_file, compare, show, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.comparison import max_per_second
from times_dispatch.demo.processes import run
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.states import SENT, CampaignState

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("cluster")]

SANDBOX = {
    "seed": 7,
    "latency_min_ms": 2,
    "latency_max_ms": 20,
    "invalid_numbers": 0.01,
    "reports": {"delay_min_ms": 50, "delay_max_ms": 1_000, "failed": 0.1, "early": 0.05, "duplicated": 0.1},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(cluster: EmbeddedCluster) -> Iterator[Stack]:
    with Stack(workers=2, ledger_url=cluster.url, sandbox=SANDBOX) as stack:
        yield stack


def test_a_campaign_goes_out_and_its_reports_come_back_through_a_cluster(stack: Stack) -> None:
    rows = stack.folder / "customers.csv"
    recipients.write(rows, 2_000)
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
    assert show(stack, campaign)["state"] == "finished"
    status = json.loads(run(["dispatch", "status", "--json"], stack.environment).stdout)
    assert status["redis"]["product"]
    stack.check()


@pytest.mark.slow  # a campaign of some thousand messages with four disturbances
@pytest.mark.parametrize("seed", [7, 42, 2026])
def test_a_campaign_survives_moving_slots_a_failover_and_a_killed_primary(seed: int) -> None:
    rng = random.Random(seed)
    settings = SETTINGS.read_text("utf-8").replace("wait_for_replicas = 0", "wait_for_replicas = 1")
    with (
        EmbeddedCluster(appendonly=True) as cluster,
        Stack(
            workers=2, reconcilers=2, settings=settings, ledger_url=cluster.url, sandbox={**SANDBOX, "seed": seed}
        ) as stack,
    ):
        rows = stack.folder / "customers.csv"
        recipients.write(rows, 4_000, seed=seed, wrong=False)
        campaign = submit(stack, campaign_file(stack, "disturbed", extra="rate_per_s = 250\n"), rows)

        for hash_tag in rng.sample(["TIMESM", "reports", "opt_outs", "campaigns"], 3):
            time.sleep(rng.random())
            for _ in cluster.moving(hash_tag):
                pass
        cluster.fail_over(rng.choice(["TIMESM", "reports"]))
        time.sleep(rng.random())
        killed = cluster.owner("TIMESM")
        killed.kill()
        cluster.wait_for_owner("TIMESM", other_than=killed)
        killed.start()
        assert show(stack, campaign)["states"]["pending"] > 0, "the trouble came too late"
        watch(stack, campaign, timeout_s=120)
        view, comparison = compare(stack, campaign, within_s=90)

        assert view.counters_add_up
        assert comparison.accepted_twice == 0
        assert comparison.undecided == 0
        assert comparison.examples == []
        books = stack.books()["all"]
        assert books["accepted"] == books["distinct_ids"] == sum(view.counts[state] for state in SENT)
        stack.check()


@pytest.mark.slow  # a campaign of some thousand messages, and a failover
def test_one_sender_in_lanes_is_one_campaign_whose_reports_all_come_back_though_a_primary_is_killed() -> None:
    settings = SETTINGS.read_text("utf-8").replace("wait_for_replicas = 0", "wait_for_replicas = 1")
    settings = settings.replace("rate_per_s = 800 ", "lanes = 4\nrate_per_s = 800 ", 1)
    with (
        EmbeddedCluster(appendonly=True) as cluster,
        Stack(workers=2, settings=settings, ledger_url=cluster.url, sandbox=SANDBOX) as stack,
    ):
        rows = stack.folder / "customers.csv"
        recipients.write(rows, 3_000, wrong=False)
        campaign = submit(stack, campaign_file(stack, "lanes", extra="rate_per_s = 200\n"), rows)

        time.sleep(2)
        lane = lane_senders(SenderId("TIMESM"), 4)[2]
        killed = cluster.owner(lane)
        killed.kill()
        cluster.wait_for_owner(lane, other_than=killed)
        killed.start()
        assert show(stack, campaign)["states"]["pending"] > 0, "the trouble came too late"
        watch(stack, campaign, timeout_s=300)
        view, comparison = compare(stack, campaign, within_s=300)

        assert len(view.lanes) == 4
        assert view.counters_add_up
        assert comparison.messages == 3_000
        assert comparison.accepted_twice == 0
        assert comparison.undecided == 0
        assert comparison.examples == []
        books = stack.books()["all"]
        assert books["accepted"] == books["distinct_ids"] == sum(view.counts[state] for state in SENT)
        assert max_per_second(comparison.sent_ms) <= 200 * 1.05 + len(view.lanes)  # each lane has its own pace
        shown = show(stack, campaign)
        assert (shown["id"], shown["sender"], shown["total"]) == (campaign, "TIMESM", 3_000)
        assert [row["id"] for row in json.loads(run(["dispatch", "list", "--json"], stack.environment).stdout)] == [
            campaign
        ]
        recount = run(["dispatch", "stats", "--recount", "--json"], stack.environment)
        assert json.loads(recount.stdout)["differences"] == []
        totals = json.loads(run(["dispatch", "stats", "--sender", "TIMESM", "--json"], stack.environment).stdout)
        assert totals["states"]["delivered"] == shown["states"]["delivered"]
        stack.check()


@pytest.mark.slow  # slots move while messages are sent and links are clicked
def test_every_click_on_a_campaign_in_lanes_is_counted_once_though_the_slots_of_all_lanes_move() -> None:
    settings = SETTINGS.read_text("utf-8").replace("rate_per_s = 800 ", "lanes = 4\nrate_per_s = 80 ", 1)
    sandbox = {
        "seed": 5,
        "reports": {"delay_min_ms": 10, "delay_max_ms": 200, "failed": 0.0, "clicked": 0.0, "replied": 0.0},
        "clicks": {"share": 0.5, "delay_max_ms": 8_000},
    }
    with (
        EmbeddedCluster(replicas=0) as cluster,
        Stack(workers=1, links=True, settings=settings, ledger_url=cluster.url, sandbox=sandbox) as stack,
    ):
        rows = stack.folder / "customers.csv"
        recipients.write(rows, 600, wrong=False)
        campaign = submit(stack, Path(times_dispatch.demo.__file__).parent / "campaign.toml", rows)
        assert stack.books()["all"]["accepted"] < 600, "the slots move too late"
        for hash_tag in [*lane_senders(SenderId("TIMESM"), 4), "clicks"]:
            for _ in cluster.moving(hash_tag):
                pass
        until = time.monotonic() + 120
        while time.monotonic() < until:
            shown, books = show(stack, campaign), stack.books()
            made = books["all"]["reports"]["posted"].get("clicked", 0)
            is_open = shown["state"] != "finished" or books["reports"]["pending_clicks"]
            if not is_open and shown["statistics"]["clicked"] >= made:
                break
            time.sleep(0.3)
        view, comparison = compare(stack, campaign)

        assert len(view.lanes) == 4
        assert (comparison.messages, comparison.examples, comparison.accepted_twice) == (600, [], 0)
        assert shown["statistics"]["clicked"] == shown["statistics"]["clickers"] == made > 600 * 0.3
        stack.check()
