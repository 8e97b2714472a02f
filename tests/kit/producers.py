"""Settings, campaign files, recipients and rows for tests of the producers."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from redis.asyncio import Redis

from producers.campaign.file import Campaign
from producers.draft import RowPass
from producers.errors import InputInvalid
from producers.recipients import Chunk, Heading, RecipientsFile
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.queries import Queries
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

HEADING = Heading(Path("customers.csv"), 1, ["to", "name", "amount"])
"""The columns of the recipients files that ``csv_of`` writes."""

WriteFile = Callable[[str, str | bytes], Path]
"""Writes a file into the test's folder and returns its path."""
Run = Callable[..., Result]
"""Runs the command line with some arguments."""


def load_settings(path: Path, redis_url: str = "", **variables: str) -> Settings:
    """Load settings from a file; the settings have a ledger and a broker only if *redis_url* is not empty."""
    if not redis_url:
        return load(path, variables, need=frozenset[Need]())
    return load(path, {"DISPATCH_REDIS_URL": redis_url, **variables}, need=frozenset({Need.LEDGER}))


def people(count: int, *, first: int = 0) -> list[tuple[str, str, str]]:
    """Return recipients with different numbers, as cells of to, name and amount."""
    return [(str(9_000_000_000 + n), f"Person {n}", f"{n}.50") for n in range(first, first + count)]


def csv_of(rows: Iterable[Sequence[str]], heading: str = "to,name,amount") -> str:
    """Return the text of a CSV file."""
    return "\n".join([heading, *(",".join(row) for row in rows)]) + "\n"


def chunk_of(*rows: Sequence[str], first_line: int = 2) -> Chunk:
    """Return rows as a chunk with consecutive line numbers."""
    return Chunk(range(first_line, first_line + len(rows)), rows, ())


def read_rows(file: RecipientsFile) -> tuple[list[tuple[int, list[str]]], list[tuple[int, str]]]:
    """Return all rows with their lines, and all broken rows with line and reason."""
    chunks = list(file.chunks())
    rows = [(line, list(cells)) for chunk in chunks for line, cells in zip(chunk.lines, chunk.rows, strict=True)]
    return rows, [(broken.line, broken.reason) for chunk in chunks for broken in chunk.broken]


class ProcessDied(Exception):
    """Simulates the end of a process in the middle of a submit."""


def die_after(batches: int) -> Callable[[RowPass], None]:
    """Return a progress function that ends a submit when this many batches are stored."""
    calls: list[RowPass] = []

    def progress(row_pass: RowPass) -> None:
        calls.append(row_pass)
        if len(calls) == batches:
            raise ProcessDied

    return progress


async def only_campaign(redis: Redis) -> CampaignId:
    """Return the id of the only campaign in the ledger."""
    [view] = await Queries(redis).campaigns()
    return view.id


def campaign_mistakes(path: Path, settings: Settings) -> list[str]:
    """Return the mistakes in a campaign file and its variables, without the path of the file's folder."""
    with pytest.raises(InputInvalid) as invalid:
        Campaign(path, settings).slot_source(HEADING)
    return [mistake.removeprefix(f"{path.parent}/") for mistake in invalid.value.mistakes]


def show(run: Run, campaign: str) -> dict[str, Any]:
    """Return the output of ``dispatch show --json``."""
    answer: dict[str, Any] = json.loads(run("show", campaign, "--json").stdout)
    return answer
