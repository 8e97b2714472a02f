from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from producers.draft import Draft, cut_batches
from producers.errors import InputInvalid
from producers.rows.checker import CheckedRows
from tests.kit.producers import (
    WriteFile,
    csv_of,
    people,
)
from times_dispatch.settings.model import Settings


def chunk(first: int, count: int) -> CheckedRows:
    numbers = range(first, first + count)
    texts = [str(number) for number in numbers]
    return CheckedRows(
        list(numbers), texts, [[f"a{text}" for text in texts], [f"b{text}" for text in texts]], [1] * count, []
    )


@given(st.lists(st.integers(0, 25), max_size=8), st.integers(1, 12))
def test_batches_keep_the_order_and_only_the_last_batch_is_short(counts: list[int], size: int) -> None:
    chunks, total = [], 0
    for count in counts:
        chunks.append(chunk(total, count))
        total += count

    cut = list(cut_batches(iter(chunks), size))

    assert [len(batch.to) for batch in cut[:-1]] == [size] * (len(cut) - 1)
    assert all(0 < len(batch.to) <= size for batch in cut)
    assert [batch.first for batch in cut] == list(range(0, total, size))
    assert [line for batch in cut for line in batch.lines] == list(range(total))
    assert [to for batch in cut for to in batch.to] == [str(n) for n in range(total)]
    for batch in cut:
        assert batch.slots == [[f"a{to}" for to in batch.to], [f"b{to}" for to in batch.to]]
        assert len(batch.parts) == len(batch.to)


def test_a_message_without_slots_has_no_columns() -> None:
    [batch] = cut_batches([CheckedRows([2], ["91"], [], [1], [])], 500)

    assert batch.slots == []


async def test_a_broken_file_leaves_no_campaign_if_it_is_small(
    campaign: Path, write: WriteFile, settings: Settings, redis: Redis
) -> None:
    with pytest.raises(InputInvalid, match=r"customers\.csv:27: a quote is opened here"):
        Draft(campaign, write("customers.csv", csv_of([*people(25), ('"9', "a", "b")])), settings=settings)

    assert await redis.dbsize() == 0


async def test_the_rejects_file_must_not_replace_an_input(campaign: Path, recipients: Path, settings: Settings) -> None:
    for path in (campaign, recipients, recipients.parent / "." / recipients.name):
        with pytest.raises(InputInvalid, match="would replace"):
            Draft(campaign, recipients, settings=settings, rejects=path)


@pytest.mark.parametrize("named", ["../customers.csv", "inner/../../customers.csv", "/etc/hostname", "link.csv"])
def test_a_named_recipients_file_outside_of_the_campaigns_folder_is_refused(
    campaign: Path, settings: Settings, tmp_path: Path, named: str
) -> None:
    folder = tmp_path / "campaigns"
    (folder / "inner").mkdir(parents=True)
    outside = tmp_path / "customers.csv"
    outside.write_text("to\n9876543210\n")
    (folder / "link.csv").symlink_to(outside)
    inside = folder / "campaign.toml"
    inside.write_text(f'recipients = "{named}"\n{campaign.read_text()}')

    with pytest.raises(InputInvalid, match=r"recipients must be a file in the folder of the campaign file, or below"):
        Draft(inside, settings=settings)
