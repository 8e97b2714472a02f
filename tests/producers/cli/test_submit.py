import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from producers.cli import COMMANDS, main
from tests.producers.conftest import CAMPAIGN, SETTINGS, Run, WriteFile
from times_dispatch.demo.redis_server import EmbeddedServer

SUBMIT = ("submit", "campaign.toml", "--recipients", "customers.csv")


def start(redis_url: str, stderr: int) -> "subprocess.Popen[str]":
    """Start a submit as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "import producers.cli; producers.cli.main()", *SUBMIT],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "DISPATCH_REDIS_URL": redis_url},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@pytest.mark.processes
def test_it_works_as_a_process(run: Run, redis_url: str) -> None:
    with start(redis_url, subprocess.PIPE) as process:
        out, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (0, "")
    assert out.startswith("campaign  ")
    assert Path("customers.rejects.csv").exists()


@pytest.mark.processes
def test_a_terminal_gets_a_progress_bar_that_names_nobody(run: Run, redis_url: str) -> None:
    ours, terminal = pty.openpty()
    with start(redis_url, terminal) as process:
        out, _ = process.communicate(timeout=30)
    os.close(terminal)
    drawn = os.read(ours, 1 << 16).decode()
    os.close(ours)

    assert process.returncode == 0
    assert "customers.csv" in drawn
    assert "3 accepted, 1 refused" in drawn
    assert not re.search("Asha|Person|90000000", drawn)
    assert out.startswith("campaign  ")


def test_submit_says_what_became_of_the_rows(run: Run) -> None:
    done = run(*SUBMIT)

    assert done.exit_code == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert re.fullmatch(r"campaign  [0-9a-z]{8}  bills from TIMESM", first)
    assert rest == [
        "accepted  3 messages in 3 parts",
        "          GSM-7: 3 messages in 3 parts",
        "refused   1 row, see customers.rejects.csv",
        "          1: to is empty",
        "starts    at once",
    ]


def test_json_is_one_object_and_names_nobody(run: Run) -> None:
    done = run(*SUBMIT, "--rejects", "bad.csv", "--json")

    answer = json.loads(done.stdout)
    assert (answer["name"], answer["sender"], answer["state"]) == ("bills", "TIMESM", "running")
    assert (answer["accepted"], sum(answer["refused"].values()), answer["rejects"]) == (3, 1, "bad.csv")
    assert answer["messages"] == {"gsm": 3, "ucs2": 0}
    assert answer["start_at"] is None
    assert answer["valid_until"].endswith("+05:30")
    assert not re.search(r"Asha|Person|90000000", done.stdout + done.stderr)


def test_a_second_run_says_so_and_again_sends_it_once_more(run: Run) -> None:
    first = json.loads(run(*SUBMIT, "--json").stdout)
    second = run(*SUBMIT)
    again = run(*SUBMIT, "--again", "--json")
    salt = json.loads(again.stdout)["salt"]
    resumed = run(*SUBMIT, "--salt", salt)

    assert second.exit_code == 0
    assert second.stdout == f"already submitted as {first['campaign']} (running); --again sends it once more\n"
    assert json.loads(again.stdout)["campaign"] != first["campaign"]
    assert f"--salt {salt}" in again.stderr
    assert resumed.stdout.startswith(f"already submitted as {json.loads(again.stdout)['campaign']}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("campaign.toml", CAMPAIGN.replace("TIMESM", "TIMESN"), "campaign.toml:2: sender: there is no sender TIMESN"),
        ("campaign.toml", CAMPAIGN.replace("{name}", "{nam}"), "campaign.toml:4: variables.0: customers.csv has no"),
        ("campaign.toml", None, "campaign.toml: no such file"),
        ("customers.csv", None, "customers.csv: no such file"),
        ("customers.csv", "", "customers.csv: is empty"),
        ("customers.csv", "number,name\n1,2\n", "customers.csv:1: no column named to"),
        ("customers.csv", b"to,name,amount\n98,Andr\xe9,5\n", "customers.csv:2: is not UTF-8"),
        ("customers.csv", "to,name,amount\n12,Asha,5\n", "customers.csv: no row can be sent to"),
        ("dispatch.toml", SETTINGS.replace("rate_per_s = 500", "rate_per_s = -1"), "dispatch.toml:8: senders.TIMESM."),
        ("dispatch.toml", None, "dispatch.toml: there is no such file"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    run: Run, write: WriteFile, name: str, content: str | bytes | None, message: str
) -> None:
    path = write(name, content or "")
    if content is None:
        path.unlink()

    done = run(*SUBMIT)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_wrong_usage_gets_exit_code_2(run: Run) -> None:
    for arguments in (["submit"], ["submit", "campaign.toml"], ["sumbit"], ["--nothing"]):
        assert run(*arguments).exit_code == 2


@pytest.fixture
def locked_redis() -> "EmbeddedServer":
    """A server with a password."""
    return EmbeddedServer(password="correct horse")


@pytest.mark.processes
def test_redis_away_or_locked_is_one_line_without_the_password(run: Run, locked_redis: EmbeddedServer) -> None:
    with locked_redis:
        port = locked_redis.port
        url = f"redis://:wrong-password@127.0.0.1:{port}/0"
        locked = run("--redis-url", url, *SUBMIT)
        let_in = run("--redis-url", locked_redis.url, *SUBMIT)
    away = run("--redis-url", url, *SUBMIT)

    assert (locked.exit_code, let_in.exit_code, away.exit_code) == (2, 0, 2)
    assert locked.stderr == f"Redis at 127.0.0.1:{port} refused the password\n"
    assert away.stderr == f"Redis at 127.0.0.1:{port} is away: no connection\n"


@pytest.mark.processes
def test_help_names_the_commands_without_importing_them() -> None:
    script = "import sys; from producers.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)

    assert time.perf_counter() - started < 5
    assert "Check a campaign and its recipients" in done.stdout
    modules = set(done.stdout.splitlines()[-1].split())
    assert not modules & {"redis", "celery", "pydantic", "rich", "polars", "producers.cli.submit"}


def test_every_command_can_be_imported_and_has_help() -> None:
    for name in COMMANDS:
        done = CliRunner().invoke(main, [name, "--help"])
        assert done.exit_code == 0, name
        assert f"{name} " in done.output
