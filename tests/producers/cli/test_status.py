import asyncio
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from producers.cli import main
from tests.kit.processes_seen import let_run
from tests.kit.producers import Run
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import HEARTBEATS, KINDS_SEEN, UPKEEP_SINCE
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind


@pytest.fixture
def all_run(redis_url: str) -> None:
    """Let one process of each usual kind live."""

    async def write() -> None:
        async with connect(redis_url) as redis:
            usual = (
                kind
                for kind in ProcessKind
                if kind not in {ProcessKind.LINKS, ProcessKind.CONSOLE, ProcessKind.METRICS, ProcessKind.ALERTS}
            )
            await let_run(redis, *usual)
            await redis.set(UPKEEP_SINCE, "1790000000000")

    asyncio.run(write())


def test_missing_processes_come_with_what_to_start_and_exit_code_2(run: Run) -> None:
    result = run("status")
    lines = result.stdout.splitlines()
    assert "worker     none yet" in lines
    first = next(line for line in lines if line.startswith("critical"))
    assert first == (
        "critical   no worker has run yet: nothing is sent; "
        "start one: celery -A workers.app worker --queues=upkeep,urgent,bulk"
    )
    assert result.exit_code == 2


@pytest.mark.usefixtures("all_run")
def test_a_warning_ends_with_1_and_is_said_after_the_processes(run: Run) -> None:
    result = run("status")
    assert result.exit_code == 1  # the tests' Redis has no append-only file
    assert any(line.startswith("worker     1 on ") for line in result.stdout.splitlines())
    assert "appendonly is off" in result.stdout


@pytest.mark.usefixtures("all_run")
def test_json_has_the_severity_and_all_that_was_read(run: Run) -> None:
    answer = json.loads(run("status", "--json").stdout)
    assert answer["severity"] == "warning"
    assert [kind["kind"] for kind in answer["kinds"]] == ["worker", "beat", "receiver", "reconciler", "flower"]
    assert answer["queues"] == {"upkeep": 0, "urgent": 0, "bulk": 0}
    assert answer["work"] == {"campaigns": 0, "unsent": 0, "damaged": []}


@pytest.fixture
def links_ran(redis_url: str, all_run: None) -> None:
    """Let all usual kinds live, and a links process that ended long ago, as in a restored ledger."""

    async def write() -> None:
        async with connect(redis_url) as redis:
            await redis.hset(KINDS_SEEN, ProcessKind.LINKS, "1790000000000")

    asyncio.run(write())


@pytest.mark.usefixtures("links_ran")
def test_a_kind_that_nobody_runs_any_more_is_a_warning_until_a_person_forgets_it(run: Run, redis_url: str) -> None:
    advice = "; or, if you run none any more: dispatch status --forget links"
    assert advice in " ".join(run("status").stdout.split())

    forgotten = run("status", "--forget", "links", "--json")
    assert forgotten.stderr == "links: forgotten until one runs again\n"
    assert "links" not in [kind["kind"] for kind in json.loads(forgotten.stdout)["kinds"]]
    assert "links" not in run("status").stdout
    assert run("status", "--forget", "links").stderr == "links: none has run yet\n"

    async def run_and_end() -> None:
        async with connect(redis_url) as redis:
            await let_run(redis, ProcessKind.LINKS)
            await redis.delete(*[key async for key in redis.scan_iter(f"{HEARTBEATS}:links:*")])

    asyncio.run(run_and_end())
    assert "no links since" in run("status").stdout, "a new gap is a warning again"


@pytest.mark.usefixtures("all_run")
def test_a_kind_that_runs_or_that_everybody_needs_cannot_be_forgotten(run: Run) -> None:
    runs = run("status", "--forget", "receiver")
    assert runs.exit_code == 2
    assert runs.stdout == ""
    assert re.fullmatch(r"--forget receiver: receiver \S+:[0-9]+ runs; stop it first\n", runs.stderr)
    for needed in ("worker", "beat"):
        assert run("status", "--forget", needed).exit_code == 2


def test_a_settings_file_with_mistakes_does_not_prevent_a_status(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text("[senders")
    result = run("status")
    assert "redis      " in result.stdout
    assert "the settings have 1 mistake: run dispatch doctor" in result.stderr


def test_an_unavailable_redis_is_said_in_one_line_and_ends_with_2(run: Run) -> None:
    result = run("--redis-url", "redis://127.0.0.1:1/0", "status")
    assert result.stdout.startswith("critical   Redis at 127.0.0.1:1 is unavailable: no connection; start Redis")
    assert len(result.stdout.splitlines()) == 1
    assert result.exit_code == 2


def test_a_missing_address_of_redis_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner(env={"DISPATCH_REDIS_URL": None}).invoke(main, ["status"])
    assert result.exit_code == 2
    assert "DISPATCH_REDIS_URL" in result.stderr


@pytest.mark.parametrize("command", [("list",), ("show", "{}"), ("watch", "{}", "--timeout", "0.01")])
def test_commands_say_that_no_worker_runs(run: Run, submitted: str, command: tuple[str, ...]) -> None:
    stderr = run(*(word.format(submitted) for word in command)).stderr
    assert "warning: no worker has run yet, so nothing is sent: start one (" in stderr


@pytest.mark.usefixtures("all_run")
def test_commands_say_nothing_of_workers_that_run(run: Run) -> None:
    assert run("list").stderr == ""


@pytest.mark.parametrize("command", [("list",), ("show", "{}")])
def test_commands_say_nothing_of_workers_where_nothing_is_to_be_sent(
    run: Run, submitted: str, command: tuple[str, ...]
) -> None:
    run("cancel", submitted, "--yes")
    assert "no worker" not in run(*(word.format(submitted) for word in command)).stderr
