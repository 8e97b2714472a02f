import json
import re
from pathlib import Path

from redis import Redis as SyncRedis

from tests.kit.producers import Run, show


def test_counts_that_do_not_add_up_are_shown_by_every_command(run: Run, submitted: str, redis_url: str) -> None:
    run("pause", submitted, "--reason", "a mistake")
    with SyncRedis.from_url(redis_url) as redis:
        redis.hincrby(f"{{TIMESM}}:c:{submitted}", "a", 1)
    breach = "the counters do not add up to the total: 3 in all, but 3 pending, 1 accepted"
    assert breach in run("list").stdout
    table, program = run("show", submitted), run("show", submitted, "--json")
    assert (table.exit_code, program.exit_code) == (1, 1)
    assert f"paused, {breach}; a mistake" in table.stdout
    assert json.loads(program.stdout)["reason"] == f"{breach}; a mistake"
    assert breach in run("watch", submitted, "--timeout", "0.1").stderr
    resumed = run("resume", submitted)
    assert (resumed.exit_code, resumed.stderr) == (1, f"campaign {submitted} is running: {breach}\n")


def test_campaigns_are_listed_and_shown(run: Run, submitted: str) -> None:
    (listed,) = json.loads(run("list", "--json").stdout)
    assert listed["id"] == submitted
    assert submitted in run("list").stdout
    table = run("show", submitted).stdout
    assert "pending" in table
    counts = show(run, submitted)
    assert counts["total"] == 3


def test_show_counts_and_exports_suppressed_messages_with_the_reason(run: Run) -> None:
    run("optout", "add", "9000000001")
    submitted = run("submit", "campaign.toml", "--recipients", "customers.csv", "--json")
    campaign = json.loads(submitted.stdout)["campaign"]

    answer = json.loads(run("show", campaign, "--json").stdout)
    shown = run("show", campaign, "--export", "suppressed", "suppressed.csv")
    table = run("show", campaign).stdout

    assert (answer["codes"], answer["suppressed"]) == ({"suppressed:31": 1}, {"on the opt-out list": 1})
    assert answer["counters_add_up"]
    assert re.search(r"suppressed 31 +1 +on the opt-out list", table)
    assert shown.exit_code == 0
    heading, row = Path("suppressed.csv").read_text().splitlines()
    assert heading.endswith(",code")
    assert ",919000000001," in row
    assert row.endswith(",31")


def test_list_shows_the_live_campaigns_and_as_many_ended_ones_as_are_asked_for(run: Run, submitted: str) -> None:
    assert submitted in run("list", "--ended", "0").stdout
    assert run("cancel", submitted, "--yes").exit_code == 0
    assert submitted in run("list").stdout
    without = run("list", "--ended", "0")
    assert submitted not in without.stdout
    assert "not shown: 1 older campaign that ended: dispatch list --ended 1" in without.output
