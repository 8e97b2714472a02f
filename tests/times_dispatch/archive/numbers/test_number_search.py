"""The search for a number in archives: the files that it reads, and its answer about missing or changed files."""

from pathlib import Path

import pytest

from tests.kit.archive import catalog, ended_campaign, files_in, retention, rule_for
from tests.kit.ledger import CAMPAIGN, Ledger
from tests.kit.ledger import recipients as recipients_of
from times_dispatch.archive.numbers.number_search import with_archived
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.ledger.numbers.history import NumberHistory, number_history

MESSAGES = 7
NUMBER = recipients_of(0, MESSAGES).to[3]
OTHER = "917000000000"


@pytest.fixture
def ledger(redis: object) -> Ledger:
    return Ledger(redis)  # type: ignore[arg-type]


@pytest.fixture
async def archive(ledger: Ledger, tmp_path: Path) -> Path:
    """Return the folder of one archived campaign."""
    await ended_campaign(ledger, MESSAGES)
    await retention(ledger.redis, tmp_path).run()
    return tmp_path / CAMPAIGN


async def look_up(ledger: Ledger, number: str) -> NumberHistory:
    history = await number_history(ledger.redis, number, DeadNumberRule())
    return await with_archived(catalog(ledger.redis), history, number)


def file_of(folder: Path, suffix: str) -> Path:
    [path] = folder.glob(f"*{suffix}")
    return path


async def test_a_number_is_found_with_its_message(ledger: Ledger, archive: Path) -> None:
    history = await look_up(ledger, NUMBER)
    assert ([message.index for message in history.messages], history.damaged) == ([3], [])
    assert (await look_up(ledger, OTHER)).messages == []


async def test_an_archive_without_the_number_is_not_opened(ledger: Ledger, archive: Path) -> None:
    file_of(archive, ".parquet").unlink()
    file_of(archive, ".json").unlink()
    history = await look_up(ledger, OTHER)
    assert (history.messages, history.damaged) == ([], [])
    [damage] = (await look_up(ledger, NUMBER)).damaged
    assert "manifest is missing" in damage


async def test_an_archive_of_an_earlier_version_has_no_filter_and_is_read(ledger: Ledger, archive: Path) -> None:
    file_of(archive, ".numbers").unlink()
    assert [message.index for message in (await look_up(ledger, NUMBER)).messages] == [3]
    assert (await look_up(ledger, OTHER)).messages == []


async def test_a_changed_filter_hides_no_message(ledger: Ledger, archive: Path) -> None:
    path = file_of(archive, ".numbers")
    for content in (b"", bytes(path.stat().st_size), path.read_bytes()[:-1]):
        path.write_bytes(content)
        history = await look_up(ledger, NUMBER)
        assert ([message.index for message in history.messages], history.damaged) == ([3], [])


async def test_a_missing_key_is_named_also_for_a_number_that_is_not_there(ledger: Ledger, archive: Path) -> None:
    file_of(archive, ".key").unlink()
    [damage] = (await look_up(ledger, OTHER)).damaged
    assert "key of its archive is destroyed" in damage


async def test_an_erased_archive_keeps_no_filter(ledger: Ledger, archive: Path, tmp_path: Path) -> None:
    await retention(ledger.redis, tmp_path, rule=rule_for(tmp_path, archive_s=0)).run()
    assert [path.suffix for path in files_in(archive)] == [".json"]
