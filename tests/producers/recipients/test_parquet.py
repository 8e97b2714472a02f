import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from producers.recipients.file import CHUNK_ROWS
from tests.kit.producers import WriteFile, read_rows


def write_parquet(path: Path, columns: dict[str, object], **options: int) -> Path:
    parquet.write_table(arrow.table(columns), path, **options)
    return path


def test_values_of_every_kind_become_text(tmp_path: Path) -> None:
    columns = {
        "to": arrow.array([919876543210, None]),
        "name": ["Asha", "आशा"],
        "amount": [Decimal("99.50"), Decimal("1.00")],
        "share": [0.5, 1250.0],
        "due": [date(2026, 11, 8), None],
        "at": [datetime(2026, 11, 8, 10, 30), None],  # noqa: DTZ001
        "city": arrow.array(["Pune", "Agra"]).dictionary_encode(),
    }

    file = open_recipients(write_parquet(tmp_path / "a.parquet", columns))

    assert file.heading.names == ("to", "name", "amount", "share", "due", "at", "city")
    (first_line, first), (second_line, second) = read_rows(file)[0]
    assert (first_line, second_line) == (2, 3)
    assert first == ["919876543210", "Asha", "99.50", "0.5", "2026-11-08", "2026-11-08 10:30:00", "Pune"]
    assert second == ["", "आशा", "1.00", "1250", "", "", "Agra"]


@pytest.mark.parametrize(("values", "kind"), [([["x"]], "list<"), ([{"a": 1}], "struct<")], ids=["list", "struct"])
def test_a_column_without_texts_is_refused_only_when_it_is_used(
    tmp_path: Path, values: list[object], kind: str
) -> None:
    file = open_recipients(write_parquet(tmp_path / "a.parquet", {"to": ["98"], "tags": values}))

    file.use({0})
    assert read_rows(file)[0] == [(2, ["98", ""])]
    with pytest.raises(InputInvalid, match=rf"a\.parquet: column tags is of the type {kind}.*, which has no text"):
        file.use({0, 1})


def test_a_column_that_is_not_used_keeps_its_cells(tmp_path: Path) -> None:
    file = open_recipients(write_parquet(tmp_path / "a.parquet", {"customer": [17], "to": ["98"]}))

    file.use({1})

    assert read_rows(file)[0] == [(2, ["17", "98"])]


def test_rows_keep_their_order_over_chunks_and_row_groups(tmp_path: Path) -> None:
    count = 3 * CHUNK_ROWS + 1
    columns: dict[str, object] = {"to": list(range(count)), "other": list(range(count))}
    path = write_parquet(tmp_path / "a.parquet", columns, row_group_size=CHUNK_ROWS + 7)

    file = open_recipients(path)
    file.use({0})

    assert read_rows(file)[0] == [(n + 2, [str(n), str(n)]) for n in range(count)]
    assert read_rows(file)[0][-1] == (count + 1, [str(count - 1)] * 2)  # the file can be read again
    assert file.fraction() == 1.0


def test_a_file_that_is_not_parquet_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match=r"a\.parquet: is not a Parquet file"):
        open_recipients(write("a.parquet", "to,name\n98,Asha\n"))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"to": arrow.array([], arrow.string())})

    with pytest.raises(InputInvalid, match=r"a\.parquet: has no rows"):
        open_recipients(path)


def test_a_missing_extra_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"to": ["98"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(InputInvalid, match=r"needs pyarrow: pip install 'times-dispatch\[files\]', or save it as CSV"):
        open_recipients(path)
