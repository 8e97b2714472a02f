"""Parquet files with columns of many types, and columns that nothing uses."""

import uuid
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet

from producers.errors import InputInvalid
from producers.recipients.parquet import ParquetFile
from tests.kit.field import NUMBERS, Checked, check_values

INT128 = Path(__file__).parent / "files" / "int128.parquet"
"""A file written by Polars with a column of the type Int128, which pyarrow does not support."""


def checked_parquet(tmp_path: Path, values: Any, **others: Any) -> Checked:
    columns = {"to": [9876543210 + row for row in range(len(values))], "value": values, **others}
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet")
    return check_values(tmp_path / "a.parquet")


_MOMENT = datetime(2026, 11, 30, 5, 0)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        (arrow.array([824.8199999999999, 99.5, 1250.0]), ["824.82", "99.5", "1250"]),
        (arrow.array([824.82, 0.1, 1250.0], arrow.float32()), ["824.82", "0.1", "1250"]),
        (arrow.array([0.5, 0.1, 7.0], arrow.float16()), ["0.5", "0.1", "7"]),
        (arrow.array([Decimal("99.50")], arrow.decimal128(9, 2)), ["99.50"]),
        (arrow.array([Decimal("99.50")], arrow.decimal256(50, 2)), ["99.50"]),
        (arrow.array([Decimal(7)], arrow.decimal128(9, 0)), ["7"]),
        (arrow.array([123456789012345678], arrow.int64()), ["123456789012345678"]),
        (arrow.array([7], arrow.uint8()), ["7"]),
        (arrow.array([True, False]), ["TRUE", "FALSE"]),
        (arrow.array([b"Asha"], arrow.binary()), ["Asha"]),
        (arrow.array([b"Asha"], arrow.binary(4)), ["Asha"]),
        (arrow.array([b"Asha"], arrow.large_binary()), ["Asha"]),
        (arrow.array(["Asha"], arrow.large_string()), ["Asha"]),
        (arrow.array(["Asha"]).dictionary_encode(), ["Asha"]),
        (arrow.array([date(2026, 11, 30)]), ["2026-11-30"]),
        (arrow.array([date(2026, 11, 30)], arrow.date64()), ["2026-11-30"]),
        (arrow.array([datetime(2026, 11, 30)], arrow.timestamp("ns")), ["2026-11-30"]),  # noqa: DTZ001
        (arrow.array([_MOMENT], arrow.timestamp("ms")), ["2026-11-30 05:00:00"]),
        (arrow.array([_MOMENT], arrow.timestamp("us", "Asia/Kolkata")), ["2026-11-30 10:30:00"]),
        (arrow.array([_MOMENT], arrow.timestamp("ns", "+05:30")), ["2026-11-30 10:30:00"]),
        (arrow.array([_MOMENT], arrow.timestamp("us", "UTC+05:30")), ["2026-11-30 10:30:00"]),
        (arrow.array([datetime(2026, 11, 30)], arrow.timestamp("us", "UTC")), ["2026-11-30"]),  # noqa: DTZ001
        (arrow.array([time(10, 30)], arrow.time64("us")), ["10:30:00"]),
        (arrow.array([time(10, 30)], arrow.time64("ns")), ["10:30:00"]),
        (arrow.array([37_815_250], arrow.time32("ms")), ["10:30:15.250"]),
        (arrow.array([37_815_250_001_000], arrow.time64("ns")), ["10:30:15.250001"]),
        (arrow.array([83_450], arrow.duration("ms")), ["0:01:23.450"]),
        (arrow.array([-83_450_000_000], arrow.duration("ns")), ["-0:01:23.450"]),
        (arrow.array([7_200], arrow.duration("s")), ["2:00:00"]),
    ],
    ids=str,
)
def test_parquet_values_become_texts(tmp_path: Path, values: Any, seen: list[str]) -> None:
    checked = checked_parquet(tmp_path, values)

    assert (checked.values, checked.refused) == (seen, [])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (arrow.array([1.2345678901234568e17]), "value is a number of more than 15 digits"),
        (arrow.array([9876543210.0], arrow.float32()), "value is a short float"),
        (arrow.array([float("nan")]), "value is empty"),
        (arrow.array([float("inf")]), "value is infinite"),
        (arrow.array([None], arrow.string()), "value is empty"),
        (arrow.array([_MOMENT], arrow.timestamp("us", "UTC")), "value is a time in UTC"),
        (arrow.array([_MOMENT], arrow.timestamp("ns", "+00:00")), "value is a time in UTC"),
        (arrow.array([b"\xff\xfe"], arrow.binary()), "value holds bytes that are no text"),
    ],
    ids=str,
)
def test_damaged_parquet_values_are_refused(tmp_path: Path, values: Any, reason: str) -> None:
    [refusal] = checked_parquet(tmp_path, values).refused

    assert refusal.startswith(reason)


@pytest.mark.parametrize(
    "other",
    [
        arrow.array([_MOMENT], arrow.timestamp("us", "Mars/Olympus")),
        arrow.array([{"a": 1}]),
        arrow.array([["x"]]),
        arrow.array([[("a", 1)]], arrow.map_(arrow.string(), arrow.int64())),
    ],
    ids=lambda array: str(array.type),
)
def test_a_column_that_nothing_uses_refuses_no_file(tmp_path: Path, other: Any) -> None:
    assert checked_parquet(tmp_path, ["Asha"], other=other).values == ["Asha"]

    with pytest.raises(InputInvalid) as refused:
        checked_parquet(tmp_path, other)
    assert "a.parquet: column value is of the type" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_one_date_beyond_the_calendar_damages_its_own_row_only(tmp_path: Path) -> None:
    checked = checked_parquet(tmp_path, arrow.array([2**31 - 1, 20_000], arrow.int32()).cast(arrow.date32()))

    assert (checked.values, checked.refused) == (["2024-10-04"], ["value is a date beyond the calendar"])


def test_a_time_of_day_in_utc_is_damaged_if_its_writer_means_utc(tmp_path: Path) -> None:
    times = arrow.array([37_800_000_000], arrow.time64("us"))
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"to": NUMBERS[:1], "value": times}), path, write_time_adjusted_to_utc=True)
    assert check_values(path).values == ["10:30:00"]

    path.write_bytes(path.read_bytes().replace(b"parquet-cpp-arrow", b"another-database!"))

    [refusal] = check_values(path).refused
    assert refusal.startswith("value is a time in UTC")


def test_an_extension_whose_numbers_have_another_meaning_is_refused(tmp_path: Path) -> None:
    metadata = {"ARROW:extension:name": "pandas.period", "ARROW:extension:metadata": '{"freq": "M"}'}
    schema = arrow.schema([("to", arrow.string()), arrow.field("value", arrow.int64(), metadata=metadata)])
    parquet.write_table(arrow.table([NUMBERS[:1], [682]], schema), tmp_path / "a.parquet")

    with pytest.raises(InputInvalid, match=r"column value is of the type pandas\.period, which has no text"):
        check_values(tmp_path / "a.parquet")


def test_a_uuid_of_parquet_is_its_text(tmp_path: Path) -> None:
    value = uuid.UUID("6d6e1b0a-0000-4000-8000-000000000001")
    ids = arrow.array([value.bytes], arrow.uuid())
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"to": NUMBERS[:1], "value": ids}), path)

    assert [row[1] for chunk in ParquetFile(path).chunks() for row in chunk.rows] == [str(value)]


def test_bytes_with_a_zero_among_them_are_no_text(tmp_path: Path) -> None:
    assert checked_parquet(tmp_path, [b"\2\0\0\0", b"Asha"]).refused == ["value holds bytes that are no text"]


def test_a_number_of_16_bytes_that_nothing_uses_refuses_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(INT128.read_bytes())

    assert check_values(path).values == ["Asha", "Ravi"]
    with pytest.raises(InputInvalid, match=r"column big is of the type fixed_size_binary\[16\], which has no text"):
        check_values(path, "{big}")
