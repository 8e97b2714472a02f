"""Settings, files, rows and a command line for the producers' tests."""

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producers.cli import main
from producers.recipients import Chunk
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

SETTINGS = """
[providers.tm]
preset = "timesmobile-post"

[senders.TIMESM]
category = "service"
entity_id = "1234567890123456789"
rate_per_s = 500

[senders.OTHERS]
category = "transactional"
cost = "parts"

[templates.bill]
sender = "TIMESM"
content_id = "1107000000000000001"
text = "Dear {#var#}, your bill is {#var#}. - TIMESM"

[templates.plain]
senders = ["TIMESM", "OTHERS"]
content_id = "1107000000000000002"
text = "We are closed tomorrow. - TIMESM"
"""

CAMPAIGN = """\
name = "bills"
sender = "TIMESM"
template = "bill"
variables = ["{name}", "Rs {amount}"]
"""

WriteFile = Callable[[str, str | bytes], Path]
Run = Callable[..., Result]


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
    path = write("dispatch.toml", SETTINGS)
    return load(path, {"DISPATCH_REDIS_URL": redis_url}, need=frozenset({Need.LEDGER}))


@pytest.fixture
def campaign(write: WriteFile) -> Path:
    """A campaign file with two variables."""
    return write("campaign.toml", CAMPAIGN)


@pytest.fixture
def run(write: WriteFile, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line in a folder with all its files, one of the four recipients without a number."""
    write("dispatch.toml", SETTINGS)
    write("campaign.toml", CAMPAIGN)
    write("customers.csv", csv_of([*people(3), ("", "Asha", "5")]))
    monkeypatch.chdir(tmp_path)
    threshold = gc.get_threshold()

    def run_dispatch(*arguments: str) -> Result:
        return CliRunner(env={"DISPATCH_REDIS_URL": redis_url}).invoke(main, arguments)

    yield run_dispatch
    gc.set_threshold(*threshold)
    gc.unfreeze()


@pytest.fixture
def submitted(run: Run, campaign: Path, write: WriteFile) -> str:
    """A campaign of three messages that nobody sends."""
    write("people.csv", csv_of(people(3)))
    return str(json.loads(run("submit", str(campaign), "--recipients", "people.csv", "--json").stdout)["campaign"])


def people(count: int, *, first: int = 0) -> list[tuple[str, str, str]]:
    """Recipients whose numbers differ, as cells of to, name and amount."""
    return [(str(9_000_000_000 + n), f"Person {n}", f"{n}.50") for n in range(first, first + count)]


def csv_of(rows: Iterable[Sequence[str]], heading: str = "to,name,amount") -> str:
    """Return a CSV file's text."""
    return "\n".join([heading, *(",".join(row) for row in rows)]) + "\n"


def chunk_of(*rows: Sequence[str], first: int = 2) -> Chunk:
    """Return rows as a chunk."""
    return Chunk(range(first, first + len(rows)), rows, ())
