"""Commands say in one line that a campaign is damaged in the ledger, and show other campaigns as before."""

import json
from pathlib import Path

import pytest
from redis import Redis as SyncRedis

from tests.kit.producers import Run, WriteFile, csv_of, people

KEY = "{{TIMESM}}:c:{}"


@pytest.mark.usefixtures("worker_runs")
def test_a_campaign_without_its_plan_is_listed_as_damaged_among_the_others(
    run: Run, submitted: str, campaign: Path, write: WriteFile, redis_url: str
) -> None:
    write("more.csv", csv_of(people(3, first=10)))
    sound = json.loads(run("submit", str(campaign), "--recipients", "more.csv", "--json").stdout)["campaign"]
    with SyncRedis.from_url(redis_url) as redis:
        redis.hdel(KEY.format(submitted), "plan")
        redis.hset("campaigns", "nothing0", "TIMESM")
        redis.sadd("{TIMESM}:live", "nothing0")
        redis.set(KEY.format("nothing0"), "not a hash")
    table = run("list")
    assert table.exit_code == 0
    rows = {line.split()[0]: line for line in table.stdout.splitlines()}
    assert "running" in rows[sound]
    assert "damaged" in rows[submitted]
    assert rows[submitted].rstrip().endswith("it has no plan")
    assert "damaged" in rows["nothing0"]
    assert table.stderr.count("\n") == 1
    assert submitted in table.stderr
    assert "nothing0" in table.stderr
    listed = json.loads(run("list", "--json").stdout)
    assert [item["id"] for item in listed if item["state"] == "damaged"] == sorted([submitted, "nothing0"])
    assert run("check", str(campaign), "--recipients", "more.csv").exit_code == 0


@pytest.mark.parametrize("command", ["show", "watch", "pause", "resume", "cancel --yes", "resolve --as sent"])
def test_a_campaign_key_of_another_type_gives_one_line(run: Run, submitted: str, redis_url: str, command: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.delete(KEY.format(submitted))
        redis.set(KEY.format(submitted), "not a hash")
    name, *options = command.split()
    done = run(name, submitted, *options)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("warning: no worker")]
    assert (done.exit_code, done.stdout, len(errors)) == (1, "", 1)
    assert "damaged" in errors[0]


def test_a_damaged_batch_gives_one_line_and_the_other_batches_are_resolved(
    run: Run, submitted: str, redis_url: str
) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.set(KEY.format(submitted) + ":m:0", b"pp")
    resolved = run("resolve", submitted, "--as", "sent")
    assert (resolved.exit_code, resolved.stdout) == (1, "")
    assert resolved.stderr == (
        f"campaign {submitted}: batch 1 cannot be settled: damaged in the ledger; restore it and run the same command "
        "again (0 messages of other batches are settled)\n"
    )


@pytest.mark.parametrize(("part", "value"), [("m", b"pp"), ("m", b"?" * 66), ("p", b"junk"), ("p", None)])
def test_an_export_of_a_damaged_batch_gives_one_line(
    run: Run, submitted: str, redis_url: str, part: str, value: bytes | None
) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.delete(f"{KEY.format(submitted)}:{part}:0")
        if value:
            redis.set(f"{KEY.format(submitted)}:{part}:0", value)
    exported = run("show", submitted, "--export", "pending", "pending.csv")
    assert (exported.exit_code, exported.stdout) == (1, "")
    assert exported.stderr == (
        f"campaign {submitted}: batch 1 cannot be read: damaged in the ledger; "
        "restore it and run the same command again\n"
    )
