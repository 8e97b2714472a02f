import io
import string
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.archive.errors import ArchiveDamaged
from times_dispatch.archive.manifest import Manifest
from times_dispatch.archive.rows import RowReader, RowWriter
from times_dispatch.ledger.batch_columns import BatchColumns
from times_dispatch.ledger.model import CampaignId, Recipients, SenderId
from times_dispatch.ledger.records import RecordColumns

KEY = bytes(range(32))
ARCHIVE = CampaignId("diwali01")


def batch(first: int, numbers: Sequence[str], value: str = "x") -> BatchColumns:
    count = len(numbers)
    return BatchColumns(
        Recipients(
            first=first,
            to=list(numbers),
            lines=list(range(first + 2, first + 2 + count)),
            slots=[[value] * count, [f"{value}{index}" for index in range(count)]],
            parts=[1] * count,
            custom={"route": [value] * count},
            link_values=[["u"] * count],
        ),
        RecordColumns(
            states="d" * count,
            attempts=[0] * count,
            codes=[0] * count,
            sent_ms=[5] * count,
            reported_s=[1_795_000_000] * count,
            transaction_ids=["9"] * count,
            chain_indexes=[1] * count,
        ),
    )


def written(batches: Sequence[BatchColumns], archive: str = ARCHIVE) -> tuple[io.BytesIO, Manifest, RowWriter]:
    file = io.BytesIO()
    writer = RowWriter(file, data_key=KEY, archive=archive, first=batches[0].recipients if batches else None)
    for each in batches:
        count = len(each.recipients.to)
        writer.write(each, clicked=[1] * count, attempts=["0001"] * count)
    writer.finish()
    manifest = Manifest(
        campaign=ARCHIVE,
        sender=SenderId("TIMESM"),
        operation="1",
        archived_ms=0,
        rows=writer.sums.rows,
        slots=writer.slots,
        custom=writer.custom,
        link_values=writer.link_values,
        fields={},
        codes={},
        statistics={},
    )
    return file, manifest, writer


numbers = st.integers(min_value=1_000_000, max_value=999_999_999_999_999).map(str)
values = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(st.tuples(st.lists(numbers, min_size=1, max_size=5), values), min_size=1, max_size=4))
def test_rows_are_read_back_as_they_were_written(groups: list[tuple[list[str], str]]) -> None:
    batches, first = [], 0
    for of_batch, value in groups:
        batches.append(batch(first, of_batch, value))
        first += len(of_batch)
    file, manifest, writer = written(batches)
    reader = RowReader(file, manifest, data_key=KEY)
    assert reader.sums() == writer.sums
    rows = list(reader.groups())
    for name in ("to", "lines", "parts"):
        assert [value for group in rows for value in getattr(group.columns.recipients, name)] == [
            value for each in batches for value in getattr(each.recipients, name)
        ]
    for slot in (0, 1):
        assert [value for group in rows for value in group.columns.recipients.slots[slot]] == [
            value for each in batches for value in each.recipients.slots[slot]
        ]
    routes = [value for group in rows for value in group.columns.recipients.custom["route"]]
    assert routes == [value for each in batches for value in each.recipients.custom["route"]]
    assert all(set(group.clicked) == {1} and set(group.attempts) == {"0001"} for group in rows)


def test_a_number_is_found_in_any_group() -> None:
    batches = [batch(at, [str(919_000_000_000 + at + n) for n in range(1_000)]) for at in range(0, 50_000, 1_000)]
    file, manifest, _ = written(batches)
    reader = RowReader(file, manifest, data_key=KEY)
    [row] = reader.rows_with("919000045678")
    assert (row.columns.recipients.to, row.columns.recipients.lines) == (["919000045678"], [45_680])
    assert row.columns.recipients.first == 45_678
    assert list(reader.rows_with("919000099999")) == []


def test_each_row_of_a_number_is_found() -> None:
    file, manifest, _ = written([batch(0, ["919876543210", "919876543211", "919876543210"], "Asha")])
    rows = list(RowReader(file, manifest, data_key=KEY).rows_with("919876543210"))
    assert [(row.columns.recipients.first, row.columns.recipients.lines) for row in rows] == [(0, [2]), (2, [4])]
    assert [row.columns.recipients.slots[1] for row in rows] == [["Asha0"], ["Asha2"]]


def test_the_file_shows_nothing_of_its_rows() -> None:
    file, _, _ = written([batch(0, ["919876543210"], "Asha Rao")])
    content = file.getvalue()
    assert b"919876543210" not in content
    assert b"Asha" not in content
    assert (919_876_543_210).to_bytes(8, "little") not in content
    assert content[-4:] == b"PARE"


def test_every_change_of_the_file_is_noticed() -> None:
    file, manifest, writer = written([batch(0, ["919876543210", "919876543211"], string.ascii_letters)])
    content = file.getvalue()
    for at in range(0, len(content), 17):
        changed = io.BytesIO(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            sums = RowReader(changed, manifest, data_key=KEY).sums()
        except ArchiveDamaged:
            continue
        assert at < 4, at  # the first four bytes only name the format
        assert sums == writer.sums
    for length in range(0, len(content), 29):
        with pytest.raises(ArchiveDamaged):
            RowReader(io.BytesIO(content[:length]), manifest, data_key=KEY).sums()


def test_the_rows_of_another_archive_are_refused_also_with_the_same_key() -> None:
    file, manifest, _ = written([batch(0, ["919876543210"])], archive="another1")
    with pytest.raises(ArchiveDamaged, match="diwali01: its rows cannot be decrypted"):
        RowReader(file, manifest, data_key=KEY)
