"""Fixtures of the producers' tests: files, settings, and the command line."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from producers.cli import main
from tests.kit.processes_seen import running
from tests.kit.producers import CAMPAIGN, SETTINGS, Run, WriteFile, csv_of, load_settings, people
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.settings.model import Settings


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Write a file into the test's folder."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def settings(write: WriteFile, redis_url: str) -> Settings:
    """Two senders and two templates, and the test's Redis for ledger and broker."""
    return load_settings(write("dispatch.toml", SETTINGS), redis_url)


@pytest.fixture
def campaign(write: WriteFile) -> Path:
    """A campaign file with two variables."""
    return write("campaign.toml", CAMPAIGN)


@pytest.fixture
def recipients(write: WriteFile) -> Path:
    """Twenty-five good rows, which are three batches of ten."""
    return write("customers.csv", csv_of(people(25)))


@pytest.fixture
def run(write: WriteFile, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line in a folder with all its files; one of the four recipients has no number.

    Keyword arguments are fields of the command line's context, for instance ``timeouts``.
    """
    write("dispatch.toml", SETTINGS)
    write("campaign.toml", CAMPAIGN)
    write("customers.csv", csv_of([*people(3), ("", "Asha", "5")]))
    monkeypatch.chdir(tmp_path)
    threshold = gc.get_threshold()

    def run_dispatch(*arguments: str, **context: Any) -> Result:
        return CliRunner(env={"DISPATCH_REDIS_URL": redis_url}).invoke(main, arguments, obj=context)

    yield run_dispatch
    gc.set_threshold(*threshold)


@pytest.fixture
def worker_runs(redis_url: str) -> Iterator[None]:
    """A worker that sends heartbeats, so that no command warns about a missing worker."""
    with running(redis_url, ProcessKind.WORKER):
        yield


@pytest.fixture
def submitted(run: Run, campaign: Path, write: WriteFile) -> str:
    """A campaign of three messages that no worker sends."""
    write("people.csv", csv_of(people(3)))
    return str(json.loads(run("submit", str(campaign), "--recipients", "people.csv", "--json").stdout)["campaign"])
