"""The folder that ``dispatch init`` makes, and the commands that it prints, with real processes."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from click.testing import CliRunner

from producers.cli import main
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, clean_environment, run

ROOT = Path(__file__).parents[3]
PORTS = ("6390", "8086", "8085", "8087", "8088", "5555")
"""The ports of Redis, sandbox, receiver, links process, metrics process and Flower in the files."""

Dispatch = Callable[..., CompletedProcess[str]]


def test_the_next_commands_are_printed_and_a_second_run_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Python 3.14 has no server of its own, and then the output names what to install first.
    (tmp_path / "redis-server").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["init", "my shop"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("made  dispatch.toml  providers, senders and templates\n")
    assert "  cd 'my shop'\n  honcho start\n" in result.stdout
    before = (tmp_path / "my shop/.env").read_bytes()
    again = CliRunner().invoke(main, ["init", "my shop"])
    assert "made" not in again.stdout
    assert again.stdout.count("was there already\n") == 5
    assert (tmp_path / "my shop/.env").read_bytes() == before


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a person who has only installed the project."""
    clean = clean_environment()
    names = ("DISPATCH_", "SANDBOX_")
    return {
        **{name: value for name, value in clean.items() if not name.startswith(names)},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def shop(tmp_path: Path, environment: dict[str, str]) -> Iterator[Path]:
    """A folder of ``dispatch init`` on free ports, in which ``honcho start`` runs."""
    folder = tmp_path / "shop"
    assert run(["dispatch", "init", str(folder)], environment).returncode == 0
    ports = {port: str(free_port()) for port in PORTS}
    for name in ("dispatch.toml", ".env", "Procfile"):
        text = (folder / name).read_text()
        for before, after in ports.items():
            text = text.replace(before, after)
        (folder / name).write_text(text)
    with (folder / ".env").open("a") as file:
        file.write(f"DISPATCH_CONSOLE_LISTEN=127.0.0.1:{free_port()}\n")
    honcho = Process("honcho", [sys.executable, "-m", "honcho", "start"], environment=environment, folder=folder)
    honcho.start()
    yield folder
    honcho.stop()


@pytest.fixture
def dispatch(shop: Path, environment: dict[str, str]) -> Dispatch:
    """Run a command beside the settings of the folder."""

    def call(*arguments: str) -> CompletedProcess[str]:
        return run(["dispatch", "--settings", str(shop / "dispatch.toml"), *arguments], environment)

    return call


@pytest.mark.processes
@pytest.mark.slow  # starts all processes, as a person does with honcho
def test_a_first_campaign_is_sent_with_the_commands_that_init_prints(dispatch: Dispatch, shop: Path) -> None:
    deadline = time.monotonic() + 60
    while (status := dispatch("status", "--json")).returncode:
        assert time.monotonic() < deadline, status.stdout + status.stderr + (shop / "honcho.log").read_text()
        time.sleep(0.5)
    kinds = {kind["kind"]: len(kind["alive"]) for kind in json.loads(status.stdout)["kinds"]}
    with_heartbeats = ("worker", "beat", "receiver", "reconciler", "links", "metrics", "alerts", "console", "flower")
    assert kinds == dict.fromkeys(with_heartbeats, 1)

    doctor = dispatch("doctor", "--connect")
    assert doctor.returncode == 0
    assert "settings   fine" in doctor.stdout
    assert "timesmobile: can work" in doctor.stdout
    assert "does not answer" not in doctor.stdout

    campaign_file = str(shop / "campaign.toml")
    assert dispatch("check", campaign_file).returncode == 0
    submitted = dispatch("submit", campaign_file, "--json")
    assert (submitted.returncode, submitted.stderr) == (0, "")
    campaign = json.loads(submitted.stdout)["campaign"]
    watched = dispatch("watch", campaign, "--timeout", "30")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    while json.loads(dispatch("show", campaign, "--json").stdout)["states"]["accepted"]:
        assert time.monotonic() < deadline + 30
        time.sleep(0.2)
    assert "first-campaign" in dispatch("list").stdout


def test_a_pipe_in_the_place_of_the_secrets_is_kept_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 0
    assert "kept  .env" in result.stdout
    assert ".env has no addresses and secrets" in result.stdout
