"""Every command that uses the ledger, with the ledger on a cluster."""

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producers.cli import main
from tests.kit.ledger_calls import LEDGER_CALLS
from tests.kit.producers import CAMPAIGN, SETTINGS, csv_of, people
from times_dispatch.demo.redis_cluster import EmbeddedCluster

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("cluster")]

Run = Callable[..., Result]

MAY_END_WITH = {"status": {0, 1, 2}, "check": {0, 1}}
"""The exit codes with which these commands report that something is to be done: no worker runs in these tests."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster() as cluster:
        yield cluster


@pytest.fixture
def run(cluster: EmbeddedCluster, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line with the ledger on a cluster, and the broker on a single Redis."""
    cluster.flush()
    for name, content in {
        "dispatch.toml": SETTINGS,
        "campaign.toml": CAMPAIGN,
        "people.csv": csv_of(people(25)),
    }.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    threshold = gc.get_threshold()
    environment = {"DISPATCH_REDIS_URL": cluster.url, "DISPATCH_BROKER_URL": redis_url}

    def run_dispatch(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(main, arguments)

    yield run_dispatch
    gc.set_threshold(*threshold)


def test_every_command_works_with_the_ledger_on_a_cluster(run: Run) -> None:
    submitted = run("submit", "campaign.toml", "--recipients", "people.csv", "--json", "--yes")
    assert submitted.exit_code == 0, submitted.output
    campaign = json.loads(submitted.stdout)["campaign"]
    failed = dict[str, str]()
    for call in LEDGER_CALLS:
        done = run(*call.replace("@", campaign).split())
        if done.exit_code not in MAY_END_WITH.get(call.split()[0], {0}):
            failed[call] = done.output + repr(done.exception)
    assert failed == {}
    assert json.loads(run("show", campaign, "--json").stdout)["state"] == "cancelled"


def test_a_cluster_without_a_broker_is_a_mistake_that_says_what_to_do(run: Run, cluster: EmbeddedCluster) -> None:
    environment = {"DISPATCH_REDIS_URL": cluster.url}
    done = CliRunner(env=environment).invoke(main, ["submit", "campaign.toml", "--recipients", "people.csv"])
    assert done.exit_code == 2
    assert "DISPATCH_BROKER_URL: is not set, and the ledger is a cluster" in done.stderr
