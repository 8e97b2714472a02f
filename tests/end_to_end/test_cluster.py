"""The whole system with its ledger on a cluster of three primaries, each with a replica."""

import json
from collections.abc import Iterator

import pytest

from tests.kit.cluster import Cluster
from tests.kit.command_line import campaign_file, compare, show, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack
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
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(cluster: Cluster) -> Iterator[Stack]:
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
