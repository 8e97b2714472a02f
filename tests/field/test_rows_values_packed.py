"""Each kind of value in each format becomes a plain text that can be packed into a batch, or its row is refused."""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet
from xlsxwriter import Workbook

from tests.kit.field import NUMBERS, check_values
from times_dispatch.ledger.model import Recipients
from times_dispatch.ledger.records import pack_recipients, unpack_recipients

_FORMATS = {date: "dd-mm-yyyy", datetime: "dd-mm-yyyy hh:mm", time: "hh:mm", timedelta: "[h]:mm"}


def _write_csv(path: Path, value: object) -> None:
    path.write_text(f"to,value\n{NUMBERS[0]},{'' if value is None else value}\n", encoding="utf-8")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps({"to": int(NUMBERS[0]), "value": value}) + "\n", encoding="utf-8")


def _write_parquet(path: Path, value: object) -> None:
    parquet.write_table(arrow.table({"to": [int(NUMBERS[0])], "value": arrow.array([value])}), path)


def _write_xlsx(path: Path, value: Any) -> None:
    with Workbook(path) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "value"])
        sheet.write(1, 0, int(NUMBERS[0]))
        sheet.write(1, 1, value, workbook.add_format({"num_format": _FORMATS.get(type(value), "General")}))


WRITERS: dict[str, Callable[[Path, Any], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json,
    ".parquet": _write_parquet,
    ".xlsx": _write_xlsx,
}
_LOST_DIGITS = "value is a number of more than 15 digits"
_EMPTY = "value is empty"
_NESTED = "value holds a list or an object"
KINDS: list[tuple[object, dict[str, str]]] = [
    ("Asha", dict.fromkeys(WRITERS, "Asha")),
    (499, dict.fromkeys(WRITERS, "499")),
    (-3, dict.fromkeys(WRITERS, "-3")),
    (99.5, dict.fromkeys(WRITERS, "99.5")),
    (0.1 + 0.2, dict.fromkeys(WRITERS, "0.3")),
    (2**53 + 1, {".csv": str(2**53 + 1), ".jsonl": _LOST_DIGITS, ".parquet": str(2**53 + 1), ".xlsx": _LOST_DIGITS}),
    (True, {".csv": "True", ".jsonl": "TRUE", ".parquet": "TRUE", ".xlsx": "TRUE"}),
    (None, dict.fromkeys(WRITERS, _EMPTY)),
    (date(2026, 11, 30), {".csv": "2026-11-30", ".parquet": "2026-11-30", ".xlsx": "30-11-2026"}),
    (
        datetime(2026, 11, 30, 10, 30),  # noqa: DTZ001
        {".csv": "2026-11-30 10:30:00", ".parquet": "2026-11-30 10:30:00", ".xlsx": "30-11-2026 10:30"},
    ),
    (time(10, 30), {".csv": "10:30:00", ".parquet": "10:30:00", ".xlsx": "10:30"}),
    (timedelta(hours=30), {".parquet": "30:00:00", ".xlsx": "30:00"}),
    (Decimal("99.50"), {".csv": "99.50", ".parquet": "99.50", ".xlsx": "99.5"}),
    (b"abc", {".parquet": "abc"}),
    (b"\xff", {".parquet": "value holds bytes that are no text"}),
    (float("nan"), {".jsonl": _EMPTY, ".parquet": _EMPTY}),
    (float("inf"), dict.fromkeys((".csv", ".jsonl", ".parquet"), "value is infinite")),
    ([1], {".jsonl": _NESTED}),
    ({"a": 1}, {".jsonl": _NESTED}),
]


@pytest.mark.parametrize(
    ("value", "suffix", "shown"), [(value, suffix, shown) for value, by in KINDS for suffix, shown in by.items()]
)
def test_a_value_of_any_kind_can_be_packed_or_refuses_its_row(
    tmp_path: Path, value: object, suffix: str, shown: str
) -> None:
    WRITERS[suffix](tmp_path / f"a{suffix}", value)

    checked = check_values(tmp_path / f"a{suffix}", keep_rejects=True)

    if checked.refused:
        assert checked.refused[0].startswith(shown)
        assert checked.refused[0] in checked.rejects.read_text(encoding="utf-8-sig")
        return
    batch = Recipients(first=0, to=checked.to, lines=[2], slots=[checked.values], parts=[1])
    unpacked = unpack_recipients(pack_recipients(batch))
    assert (unpacked.to, unpacked.slots) == ([f"91{NUMBERS[0]}"], [[shown]])
