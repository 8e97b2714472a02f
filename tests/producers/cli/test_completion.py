import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from producers.cli import COMMANDS, CliTimeouts, main
from tests.kit.producers import Run, WriteFile

PATIENT = CliTimeouts(completion_s=60)
"""The completion waits for the ledger, however busy the machine is."""


def _suggested(*words: str, redis_url: str, timeouts: CliTimeouts = PATIENT) -> list[str]:
    """Return the shell's suggestions for the last of the words after ``dispatch``."""
    environment = {
        "_DISPATCH_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["dispatch", *words]),
        "COMP_CWORD": str(len(words)),
        "DISPATCH_REDIS_URL": redis_url,
    }
    done = CliRunner(env=environment).invoke(main, [], prog_name="dispatch", obj={"timeouts": timeouts})
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    "command",
    [
        *("show", "watch", "report", "pause", "resume", "cancel", "budget", "resolve", "audit"),
        *("watch first", "stats --campaign"),
    ],
)
def test_campaigns_are_suggested_wherever_a_command_takes_one(submitted: str, redis_url: str, command: str) -> None:
    words = command.split()
    assert _suggested(*words, "", redis_url=redis_url) == [submitted, "last"]
    assert _suggested(*words, submitted[:3], redis_url=redis_url) == [submitted]
    assert _suggested(*words, "bil", redis_url=redis_url) == ["bills"]
    assert _suggested(*words, "-no-such", redis_url=redis_url) == []


def test_fish_which_cuts_a_suggestion_at_a_comma_shows_the_state_of_a_campaign(submitted: str, redis_url: str) -> None:
    environment = {
        "_DISPATCH_COMPLETE": "fish_complete",
        "COMP_WORDS": "dispatch show ",
        "COMP_CWORD": "",
        "DISPATCH_REDIS_URL": redis_url,
    }
    done = CliRunner(env=environment).invoke(main, [], prog_name="dispatch", obj={"timeouts": PATIENT})
    shown = [line.split(",")[1] for line in done.stdout.splitlines()]
    assert shown == [f"{submitted}\tbills: running", "last\tthe campaign that was created last"]


@pytest.mark.parametrize(
    "words", ["list --sender", "pause --sender", "send-test --sender", "sender rate", "sender pause"]
)
def test_senders_are_suggested(run: Run, submitted: str, redis_url: str, write: WriteFile, words: str) -> None:
    assert _suggested(*words.split(), "", redis_url=redis_url) == ["OTHERS", "TIMESM"]
    assert _suggested(*words.split(), "T", redis_url=redis_url) == ["TIMESM"]
    write("dispatch.toml", "[senders")
    assert _suggested(*words.split(), "", redis_url=redis_url) == ["TIMESM"]


def test_templates_of_the_settings_and_the_registry_are_suggested(run: Run, redis_url: str, write: WriteFile) -> None:
    assert _suggested("template", "check", "", redis_url=redis_url) == ["bill", "plain"]
    write("more.toml", "[templates.otp]\n")
    write("dispatch.toml", '[registry]\ntemplates = "more.toml"\n[templates.bill]\n["templates"."two words"]\n')
    assert _suggested("template", "check", "", redis_url=redis_url) == ["bill", "otp"]
    assert _suggested("stats", "--template", "o", redis_url=redis_url) == ["otp"]


@pytest.mark.parametrize("words", ["provider check", "callback-url", "send-test --provider"])
def test_providers_are_suggested_without_the_secrets_that_the_settings_need(
    run: Run, redis_url: str, words: str
) -> None:
    assert _suggested(*words.split(), "", redis_url=redis_url) == ["tm"]


def test_the_options_before_the_command_are_followed(
    run: Run, submitted: str, redis_url: str, write: WriteFile
) -> None:
    write("other.toml", "[providers.own]\n")
    assert _suggested("--settings", "other.toml", "provider", "check", "", redis_url=redis_url) == ["own"]
    away = "redis://127.0.0.1:1/0"
    assert _suggested("--redis-url", redis_url, "show", "", redis_url=away) == [submitted, "last"]


def test_commands_are_suggested_in_the_order_of_the_help(redis_url: str) -> None:
    assert _suggested("", redis_url=redis_url) == list(COMMANDS)
    assert _suggested("pro", redis_url=redis_url) == ["provider"]
    assert "--settings" in _suggested("--", redis_url=redis_url)


def test_a_ledger_that_is_away_or_hangs_gives_no_suggestion_within_a_second(run: Run) -> None:
    usual = CliTimeouts()
    assert usual.completion_s < 1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            started_s = time.monotonic()
            assert _suggested("show", "", redis_url=f"redis://127.0.0.1:{port}/0", timeouts=usual) == []
            assert time.monotonic() - started_s < 6  # enough for a busy machine; without a time-out the call never ends
    for url in ("", "http://nothing", "redis://127.0.0.1:port/0"):
        assert _suggested("show", "", redis_url=url, timeouts=usual) == []


@pytest.mark.processes
def test_commands_are_suggested_without_importing_them(redis_url: str) -> None:
    script = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules));"
        "from producers.cli import main; main(prog_name='dispatch')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "_DISPATCH_COMPLETE": "bash_complete",
            "COMP_WORDS": "dispatch ",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert "plain,show" in lines
    assert not set(lines[-1].split()) & {"redis", "rich", "producers.cli.show"}


def test_a_pipe_or_device_in_the_place_of_the_settings_suggests_nothing_at_once(tmp_path: Path, redis_url: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    started_s = time.monotonic()
    for settings in (str(tmp_path / "pipe"), "/dev/zero"):
        for command in (("show",), ("template", "check"), ("provider", "check")):
            assert _suggested("--settings", settings, *command, "", redis_url=redis_url) == []
    assert time.monotonic() - started_s < 25  # other commands may wait 30 s for a pipe


def test_a_pipe_in_the_place_of_the_env_file_suggests_nothing_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    started_s = time.monotonic()
    settings = str(tmp_path / "dispatch.toml")
    assert _suggested("--settings", settings, "show", "", redis_url="redis://127.0.0.1:1/0") == []
    assert time.monotonic() - started_s < 25  # other commands may wait 30 s for a pipe
