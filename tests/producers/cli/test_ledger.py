"""Commands that act on the ledger need Redis and nothing else: no valid settings file, no other secret."""

import os
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from producers.cli import main
from tests.kit.producers import Run, show
from times_dispatch.demo.redis_server import EmbeddedServer

BROKEN = {
    "half a file": '[senders.TIMESM]\ncategory = "serv',
    "a wrong value": '[senders.TIMESM]\ncategory = "nonsense"\n',
}


def _notes(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("note: ")]


NOTE = "this command needs only Redis, other commands will refuse"


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_settings_file_keeps_nobody_from_listing_showing_stopping_and_resuming(
    run: Run, submitted: str, tmp_path: Path, content: str
) -> None:
    (tmp_path / "dispatch.toml").write_text(content)
    for command in (
        ["list"],
        ["show", submitted],
        ["pause", submitted],
        ["resume", submitted],
        ["pause", "--all"],
        ["pause", "--sender", "TIMESM"],
        ["resume", "--all"],
        ["audit"],
        ["cancel", submitted, "--yes"],
    ):
        done = run(*command)
        assert done.exit_code == 0, (command, done.output)
        assert done.stderr.count("note: ") <= 1
    assert show(run, submitted)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("DISPATCH_FLOWER_BASIC_AUTH=me:two words", "DISPATCH_FLOWER_BASIC_AUTH: a value with a blank"),
        ("DISPATCH_FLOWER_BASIC_AUTH='me:half", ".env: cannot be read: no closing quotation"),
    ],
)
def test_a_mistake_in_a_line_of_the_env_file_about_something_else_keeps_nobody_from_the_ledger(
    run: Run, submitted: str, tmp_path: Path, line: str, mistake: str
) -> None:
    (tmp_path / ".env").write_text(f"{line}\n")
    stop_number = ["optout", "add", "919876543210"]
    for command in (["list"], ["show", submitted], ["pause", submitted], ["pause", "--all"], stop_number):
        assert run(*command).exit_code == 0, command
    status = run("status")
    assert "warning: the settings have 1 mistake: run dispatch doctor" in status.stderr
    assert "redis" in status.stdout
    done = run("check", "campaign.toml")
    assert (done.exit_code, mistake in done.stderr) == (2, True)


def test_an_env_file_that_cannot_be_read_keeps_nobody_from_the_ledger_that_the_environment_names(
    run: Run, submitted: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").mkdir()
    for command in (
        ["list"],
        ["show", submitted],
        ["pause", submitted],
        ["pause", "--all"],
        ["cancel", submitted, "--yes"],
    ):
        done = run(*command)
        assert done.exit_code == 0, (command, done.output)
        assert _notes(done.stderr) == [f"note: .env: cannot be read: is a directory; {NOTE}"]
    status = run("status")
    assert "warning: the settings have 1 mistake: run dispatch doctor" in status.stderr
    assert "redis" in status.stdout
    assert run("check", "campaign.toml").exit_code == 2


def test_an_env_file_that_cannot_be_read_is_an_error_if_nothing_else_names_the_ledger(
    submitted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPATCH_REDIS_URL", raising=False)
    (tmp_path / ".env").mkdir()
    done = CliRunner().invoke(main, ["--settings", str(tmp_path / "dispatch.toml"), "pause", submitted])
    assert (done.exit_code, done.stderr) == (2, f"{tmp_path}/.env: cannot be read: is a directory\n")


def test_an_env_file_that_cannot_be_read_is_named_if_the_environment_gives_only_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPATCH_REDIS_URL", raising=False)
    monkeypatch.setenv("DISPATCH_REDIS_PASSWORD", "secret")
    (tmp_path / ".env").mkdir()
    done = CliRunner().invoke(main, ["--settings", str(tmp_path / "dispatch.toml"), "list"])
    unreadable, missing = done.stderr.splitlines()
    assert (done.exit_code, unreadable) == (2, f"{tmp_path}/.env: cannot be read: is a directory")
    assert "DISPATCH_REDIS_URL: is not set" in missing


def test_a_settings_file_that_is_a_pipe_is_not_waited_for_after_the_command_has_acted(
    run: Run, submitted: str, tmp_path: Path
) -> None:
    (tmp_path / "dispatch.toml").unlink()
    os.mkfifo(tmp_path / "dispatch.toml")
    done = run("pause", submitted)
    assert (done.exit_code, "paused" in done.stdout, done.stderr) == (0, True, "")


def test_a_settings_file_that_is_no_toml_is_noted_once_with_its_line(run: Run, submitted: str, tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text(BROKEN["half a file"])
    for command in ("pause", "resume", "show"):
        [note] = _notes(run(command, submitted).stderr)
        assert note.startswith("note: dispatch.toml:2: is not TOML: ")
        assert note.endswith(NOTE)


def test_a_wrong_value_is_noted_where_the_settings_are_of_use(run: Run, submitted: str, tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text(BROKEN["a wrong value"])
    assert _notes(run("pause", submitted).stderr) == []
    [note] = _notes(run("resume", submitted).stderr)
    assert note.endswith(NOTE)


def test_an_absent_settings_file_and_bad_secrets_stop_no_command_of_the_ledger(
    submitted: str, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "dispatch.toml").unlink()
    environment = {
        "DISPATCH_REDIS_URL": redis_url,
        "DISPATCH_ID_KEY_FILE": str(tmp_path / "absent"),
        "DISPATCH_CALLBACK_SECRET": "short",
        "DISPATCH_BROKER_URL": "nonsense",
    }
    for command in (["list"], ["show", submitted], ["pause", submitted], ["cancel", submitted, "--yes"]):
        done = CliRunner(env=environment).invoke(main, command)
        assert (done.exit_code, _notes(done.stderr)) == (0, []), command


@pytest.mark.parametrize(
    ("variables", "mistake"),
    [
        ({}, "environment: DISPATCH_REDIS_URL: is not set"),
        ({"DISPATCH_REDIS_URL": "ftp://x"}, "environment: DISPATCH_REDIS_URL: must be a URL"),
    ],
)
def test_a_missing_or_wrong_address_of_redis_is_refused(variables: dict[str, str], mistake: str) -> None:
    refused = CliRunner(env={"DISPATCH_REDIS_URL": None, **variables}).invoke(main, ["list"])
    assert refused.exit_code == 2
    assert refused.stderr.startswith(mistake)


@pytest.mark.processes
@pytest.mark.parametrize(
    "command", ["list", "show last", "pause diwali01", "submit campaign.toml --recipients customers.csv"]
)
def test_a_redis_that_hangs_is_named_after_two_seconds(run: Run, command: str) -> None:
    with EmbeddedServer() as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            done = run("--redis-url", server.url, *command.split())
            took_s = time.monotonic() - began_s
        finally:
            os.kill(server.pid, signal.SIGCONT)

    assert done.exit_code == 2
    assert done.stderr == f"Redis at 127.0.0.1:{server.port} is unavailable: no answer in time\n"
    assert 1.5 < took_s < 15  # less than four time-outs of five seconds each
