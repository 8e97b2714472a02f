"""The commands about a campaign of a sender with lanes: people see one campaign and one sender."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest
from redis import Redis as SyncRedis

from tests.kit.producers import CAMPAIGN, SETTINGS, Run, WriteFile, csv_of, people

LANES = SETTINGS.replace("rate_per_s = 500\n", "rate_per_s = 500\nlanes = 4\n")
ROWS = 60


@pytest.fixture
def laned(run: Run, write: WriteFile) -> str:
    """The id of a campaign in four lanes."""
    write("dispatch.toml", LANES)
    write("customers.csv", csv_of(people(ROWS)))
    done = run("submit", "campaign.toml", "--recipients", "customers.csv", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["accepted"], result["state"], result["sender"]) == (ROWS, "running", "TIMESM")
    return str(result["campaign"])


def keys(redis_url: str, pattern: str) -> list[str]:
    with SyncRedis.from_url(redis_url) as redis:
        return sorted(key.decode() for key in redis.keys(pattern))


def test_a_campaign_in_lanes_is_one_campaign_in_every_list(run: Run, laned: str, redis_url: str) -> None:
    assert len(keys(redis_url, "{TIMESM/*}:sender")) == 3, "the lanes have hash tags of their own"
    shown = json.loads(run("show", laned, "--json").stdout)
    assert (shown["id"], shown["total"], shown["states"]["pending"], shown["sender"]) == (laned, ROWS, ROWS, "TIMESM")
    assert [entry["action"] for entry in shown["trail"]] == ["submitted"]
    assert f"{ROWS} messages" in shown["trail"][0]["detail"]
    assert [row["id"] for row in json.loads(run("list", "--json").stdout)] == [laned]
    assert [row["id"] for row in json.loads(run("list", "--json", "--sender", "TIMESM").stdout)] == [laned]
    assert json.loads(run("show", "last", "--json").stdout)["id"] == laned
    assert json.loads(run("show", "bills", "--json").stdout)["id"] == laned
    assert json.loads(run("show", laned[:4], "--json").stdout)["id"] == laned
    senders = json.loads(run("sender", "list", "--json").stdout)
    assert [(row["id"], row["rate_per_s"], row["lanes"]) for row in senders] == [("TIMESM", 500, 4)]
    assert "TIMESM/" not in run("status").output + run("list").output + run("show", laned).output


def test_the_same_submit_again_finds_the_campaign(run: Run, laned: str, write: WriteFile, redis_url: str) -> None:
    campaigns = keys(redis_url, "*}:c:????????")
    again = run("submit", "campaign.toml", "--recipients", "customers.csv")
    assert f"already submitted as {laned}" in again.stdout
    write("dispatch.toml", LANES.replace("lanes = 4", "lanes = 8"))
    assert f"already submitted as {laned}" in run("submit", "campaign.toml", "--recipients", "customers.csv").stdout
    assert keys(redis_url, "*}:c:????????") == campaigns


def test_the_id_of_a_lanes_campaign_means_the_whole_campaign(run: Run, laned: str, redis_url: str) -> None:
    of_lane = keys(redis_url, "{TIMESM/*}:c:????????")[0].rpartition(":")[2]
    assert of_lane != laned
    assert json.loads(run("show", of_lane, "--json").stdout)["id"] == laned


def test_pause_resume_and_cancel_act_on_all_lanes(run: Run, laned: str, redis_url: str) -> None:
    def states() -> set[str]:
        with SyncRedis.from_url(redis_url, decode_responses=True) as redis:
            found = {str(redis.hget(key, "state")) for key in keys(redis_url, "*}:c:????????")}
        assert json.loads(run("show", laned, "--json").stdout)["state"] in found
        return found

    assert run("pause", laned).stdout == f"campaign {laned} is paused\n"
    assert states() == {"paused"}
    assert run("resume", laned, "--yes").stdout == f"campaign {laned} is running\n"
    assert states() == {"running"}
    assert run("cancel", laned, "--yes").stdout == f"campaign {laned} is cancelled\n"
    assert states() == {"cancelled"}
    actions = [entry["action"] for entry in json.loads(run("audit", laned, "--json").stdout)]
    assert actions == ["submitted", "paused", "resumed", "cancelled"], "one entry for each change"


def test_the_rate_and_the_pause_of_a_sender_are_those_of_all_lanes(run: Run, laned: str, redis_url: str) -> None:
    def fields(name: str) -> list[str | None]:
        with SyncRedis.from_url(redis_url, decode_responses=True) as redis:
            return [redis.hget(key, name) for key in keys(redis_url, "{TIMESM*}:sender")]

    assert fields("rate") == ["125.0"] * 4
    assert run("sender", "rate", "TIMESM", "100.01", "--yes").exit_code == 0
    assert sum(Decimal(rate or 0) for rate in fields("rate")) == Decimal("100.01")
    assert json.loads(run("sender", "list", "--json").stdout)[0]["rate_per_s"] == 100.01
    assert run("sender", "pause", "TIMESM", "--yes").exit_code == 0
    assert fields("paused") == ["1"] * 4
    assert run("sender", "resume", "TIMESM", "--yes").exit_code == 0
    assert fields("paused") == [None] * 4


def test_a_new_lane_is_paused_if_its_sender_is(run: Run, write: WriteFile, redis_url: str) -> None:
    run("submit", "campaign.toml", "--recipients", "customers.csv")
    assert run("sender", "pause", "TIMESM", "--reason", "the wrong text", "--yes").exit_code == 0
    write("dispatch.toml", LANES)
    assert run("submit", "campaign.toml", "--recipients", "customers.csv", "--again", "--yes").exit_code == 0
    with SyncRedis.from_url(redis_url, decode_responses=True) as redis:
        hashes = [redis.hgetall(key) for key in keys(redis_url, "{TIMESM*}:sender")]
    assert [(each["paused"], each["pause_reason"], each["rate"]) for each in hashes] == [
        ("1", "the wrong text", "125.0")
    ] * 4


def test_report_number_and_stats_speak_of_one_campaign(run: Run, laned: str, tmp_path: Path) -> None:
    done = run("report", laned, "--out", "rows.csv", "--numbers", "--recipients", "customers.csv")
    assert done.exit_code == 0, done.output
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["campaign"] for row in rows} == {laned}
    assert {row["sender"] for row in rows} == {"TIMESM"}
    assert sorted(int(row["index"]) for row in rows) == list(range(ROWS))
    assert sorted(row["number"][-10:] for row in rows) == sorted(number for number, *_ in people(ROWS))
    assert {(row["number"][-10:], row["own_amount"]) for row in rows} == {
        (to, amount) for to, _, amount in people(ROWS)
    }
    known = json.loads(run("number", "9000000007", "--json").stdout)["messages"]
    assert [(row["campaign"], row["line"], row["sender"]) for row in known] == [(laned, 9, "TIMESM")]
    assert {int(row["index"]): row["number"][-10:] for row in rows}[known[0]["index"]] == "9000000007"
    assert run("stats", "--campaign", laned, "--json").exit_code == 0
    assert json.loads(run("stats", "--recount", "--json").stdout)["differences"] == []


@pytest.mark.parametrize(
    ("settings", "campaign", "mistake"),
    [
        ("lanes = 4\nmax_parts_per_day = 9\n", "", "senders.TIMESM.lanes: cannot go with a daily cap"),
        ("lanes = 17\n", "", "senders.TIMESM.lanes"),
        ("lanes = 26\n", "", "senders.TIMESM.lanes"),
        ("lanes = 4\n", "max_parts = 100\n", "a campaign with lanes cannot have max_parts or max_money"),
        ("lanes = 4\n", "rate_per_s = 79\n", "a campaign with lanes cannot have a rate_per_s below 80"),
    ],
)
def test_check_refuses_in_one_line_what_cannot_go_with_lanes(
    run: Run, write: WriteFile, settings: str, campaign: str, mistake: str
) -> None:
    write("dispatch.toml", SETTINGS.replace("rate_per_s = 500\n", f"rate_per_s = 500\n{settings}"))
    write("campaign.toml", CAMPAIGN + campaign)
    done = run("check", "campaign.toml", "--recipients", "customers.csv", "--no-redis")
    assert done.exit_code == 2, done.output
    assert mistake in done.output
    assert len(done.output.splitlines()) == 1


def test_a_rate_that_is_too_low_for_the_lanes_is_refused(run: Run, write: WriteFile) -> None:
    write("dispatch.toml", LANES.replace("rate_per_s = 500", "rate_per_s = 79"))
    done = run("check", "campaign.toml", "--recipients", "customers.csv", "--no-redis")
    assert done.exit_code == 2
    assert "needs a rate_per_s of at least 80 (20 for each lane), or none" in done.output


def test_a_budget_of_a_campaign_in_lanes_is_refused_and_a_resend_is_not(run: Run, laned: str) -> None:
    budget = run("budget", laned, "100")
    assert "its sender has lanes" in budget.stderr
    assert budget.exit_code != 0
    run("cancel", laned, "--yes")
    resend = run("resend", laned, "--state", "cancelled", "--yes")
    assert resend.exit_code == 0, resend.output
    assert f"resends of {laned}" in resend.stdout
