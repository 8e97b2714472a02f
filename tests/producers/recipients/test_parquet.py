import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from producers.recipients.file import CHUNK_ROWS
from tests.kit.producers import WriteFile, read_rows


def test_values_of_every_kind_become_text(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "to": [919876543210, None],
            "name": ["Asha", "आशा"],
            "amount": [Decimal("99.50"), Decimal("1.00")],
            "share": [0.5, 1250.0],
            "due": [date(2026, 11, 8), None],
            "at": [datetime(2026, 11, 8, 10, 30), None],  # noqa: DTZ001
            "city": pl.Series(["Pune", "Agra"], dtype=pl.Categorical),
        },
        strict=False,
    )
    frame.write_parquet(tmp_path / "a.parquet")

    file = open_recipients(tmp_path / "a.parquet")

    assert file.heading.names == ("to", "name", "amount", "share", "due", "at", "city")
    (first_line, first), (second_line, second) = read_rows(file)[0]
    assert (first_line, second_line) == (2, 3)
    assert first == ["919876543210", "Asha", "99.50", "0.5", "2026-11-08", "2026-11-08 10:30:00", "Pune"]
    assert second == ["", "आशा", "1.00", "1250", "", "", "Agra"]


def test_values_that_are_no_text_make_no_column(tmp_path: Path) -> None:
    pl.DataFrame({"to": ["98"], "tags": [["x"]], "vip": [True], "raw": [b"x"]}).write_parquet(tmp_path / "a.parquet")

    assert open_recipients(tmp_path / "a.parquet").heading.names == ("to",)


def test_rows_keep_their_order_over_chunks_and_row_groups(tmp_path: Path) -> None:
    count = 3 * CHUNK_ROWS + 1
    frame = pl.DataFrame({"to": list(range(count))})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=CHUNK_ROWS + 7)

    file = open_recipients(tmp_path / "a.parquet")

    assert read_rows(file)[0] == [(n + 2, [str(n)]) for n in range(count)]
    assert read_rows(file)[0][-1] == (count + 1, [str(count - 1)])  # it can be read again
    assert file.fraction() == 1.0


def test_a_file_that_is_not_parquet_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match=r"a\.parquet: is not a Parquet file"):
        open_recipients(write("a.parquet", "to,name\n98,Asha\n"))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"to": []}, schema={"to": pl.String}).write_parquet(tmp_path / "a.parquet")

    with pytest.raises(InputInvalid, match=r"a\.parquet: has no rows"):
        open_recipients(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["a.parquet", "a.xlsx"])
def test_a_missing_extra_is_named_with_the_remedy(write: WriteFile, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(InputInvalid, match=r"needs polars: pip install 'times-dispatch\[files\]', or save it as CSV"):
        open_recipients(write(name, "x"))
