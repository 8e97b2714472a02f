import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from producers.export.schema import FIXED
from producers.recipients import open_table
from tests.kit.archive import end
from tests.kit.ledger import Ledger
from tests.kit.producers import Run, csv_of, people
from times_dispatch.ledger.connection import connect

NAMES = [column.name for column in FIXED] + ["var1", "var2"]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_report_has_a_row_for_each_message_with_all_that_is_known(run: Run, submitted: str) -> None:
    done = run("report", submitted, "--out", "-")
    assert done.exit_code == 0
    rows = rows_of(done.stdout)
    assert list(rows[0]) == NAMES
    assert [row["number"] for row in rows] == ["9190*****000", "9190*****001", "9190*****002"]
    first = rows[0]
    assert (first["campaign"], first["name"], first["state"]) == (submitted, "bills", "pending")
    assert (first["line"], first["parts"], first["attempt"], first["index"]) == ("2", "1", "0", "0")
    assert (first["var1"], first["var2"]) == ("Person 0", "Rs 0.50")
    assert first["sent_at"] == first["code"] == first["transaction_id"] == ""
    assert datetime.fromisoformat(first["submitted_at"]) - datetime.now(UTC) < timedelta(minutes=5)
    assert "3 rows of 1 campaign written to standard output" in done.stderr


def test_a_message_that_was_opened_and_never_pushed_has_no_time_of_a_push(run: Run, redis_url: str) -> None:
    async def send() -> str:
        async with connect(redis_url) as redis:
            ledger = Ledger(redis)
            id_ = await ledger.submit(3)
            lease = await ledger.push(b"aub")  # accepted, suppressed by its worker, never begun
            await ledger.leases.release(lease)
            await end(ledger, id_)
            return id_

    campaign = asyncio.run(send())
    rows = rows_of(run("report", campaign, "--out", "-").stdout)
    assert [(row["state"], bool(row["sent_at"])) for row in rows] == [
        ("no_report", True),
        ("suppressed", False),
        ("expired", False),
    ]
    [message] = json.loads(run("number", "919800000001", "--json").stdout)["messages"]
    assert (message["state"], message["sent_ms"]) == ("suppressed", None)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx"])
def test_all_formats_have_the_same_rows(run: Run, submitted: str, suffix: str) -> None:
    assert run("report", submitted, "--out", f"out.{suffix}", "--numbers").exit_code == 0
    table = open_table(Path(f"out.{suffix}"), hint="number")
    assert list(table.heading.names) == NAMES
    rows = [dict(zip(NAMES, row, strict=True)) for chunk in table.chunks() for row in chunk.rows]
    assert [row["number"] for row in rows] == ["919000000000", "919000000001", "919000000002"]
    assert [(row["var1"], row["state"], row["line"]) for row in rows] == [
        (f"Person {n}", "pending", str(n + 2)) for n in range(3)
    ]


def test_a_csv_has_the_mark_by_which_excel_knows_utf_8_and_standard_output_has_not(run: Run, submitted: str) -> None:
    run("report", submitted, "--out", "out.csv")
    assert Path("out.csv").read_bytes().startswith(b"\xef\xbb\xbfcampaign,")
    assert run("report", submitted, "--out", "-").stdout.startswith("campaign,")


def test_rows_are_chosen_by_state_and_by_code(run: Run) -> None:
    run("optout", "add", "9000000001")
    campaign = json.loads(run("submit", "campaign.toml", "--recipients", "customers.csv", "--json").stdout)["campaign"]
    coded = run("report", campaign, "--out", "-", "--format", "jsonl", "--code", "31,910")
    assert coded.exit_code == 0, coded.output
    suppressed = [json.loads(line) for line in coded.stdout.splitlines()]
    assert [(row["state"], row["code"], row["code_from"], row["meaning"]) for row in suppressed] == [
        ("suppressed", 31, "suppressed", "on the opt-out list")
    ]
    pending = rows_of(run("report", campaign, "--out", "-", "--state", "pending").stdout)
    assert [row["state"] for row in pending] == ["pending", "pending"]
    assert rows_of(run("report", campaign, "--out", "-", "--state", "failed").stdout) == []


def test_own_columns_come_from_the_recipients_file_by_line_and_number(run: Run, submitted: str) -> None:
    Path("people.csv").write_text(
        csv_of([(*row, f"city {n}") for n, row in enumerate(people(3))], "to,name,amount,city")
    )
    rows = rows_of(run("report", submitted, "--out", "-", "--recipients", "people.csv").stdout)
    assert [row["own_city"] for row in rows] == ["city 0", "city 1", "city 2"]


def test_a_recipients_file_that_was_sorted_since_is_refused(run: Run, submitted: str) -> None:
    Path("people.csv").write_text(csv_of(reversed(people(3))))
    refused = run("report", submitted, "--out", "out.csv", "--recipients", "people.csv")
    assert refused.exit_code == 2
    assert "people.csv:2: is not the row from which the message was made" in refused.stderr
    assert not Path("out.csv").exists()


def test_a_partitioned_report_puts_each_campaign_into_the_folder_of_its_day(run: Run, submitted: str) -> None:
    for _ in range(2):  # the second run replaces the file of the first
        assert run("report", "--out", "lake", "--partitioned", "--since", "today").exit_code == 0
    [path] = Path("lake").rglob("*.parquet")
    assert path.name == f"{submitted}.parquet"
    assert path.parent.name.startswith("day=20")
    table = pq.ParquetFile(path).read()
    assert table.num_rows == 3
    assert str(table.schema.field("submitted_at").type) == "timestamp[ms, tz=UTC]"
    assert path.stat().st_mode & 0o777 == 0o600


def test_campaigns_before_the_day_are_left_out(run: Run, submitted: str) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    done = run("report", "--out", "-", "--since", str(tomorrow))
    assert (done.exit_code, rows_of(done.stdout)) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--out", "-"), "name campaigns, or give a day"),
        (("@", "--out", "out"), "cannot tell the format"),
        (("@", "--out", "-", "--format", "xlsx"), "standard output takes"),
        (("@", "@", "--out", "-", "--recipients", "x.csv", "--since", "x"), "is no day"),
        (("@", "--out", "-", "--code", "9x"), "is no list of codes"),
    ],
)
def test_wrong_usage_ends_with_one_line(run: Run, submitted: str, arguments: tuple[str, ...], problem: str) -> None:
    done = run("report", *(submitted if word == "@" else word for word in arguments))
    assert done.exit_code == 2
    assert problem in done.stderr


def test_a_full_device_ends_with_one_line(run: Run, submitted: str) -> None:
    done = run("report", submitted, "--out", "/dev/full", "--format", "csv")
    assert done.exit_code == 1
    assert done.stderr == "/dev/full: cannot be written: it is not a regular file\n"


def test_several_campaigns_share_one_file(run: Run, submitted: str) -> None:
    again = json.loads(run("submit", "campaign.toml", "--recipients", "customers.csv", "--yes", "--json").stdout)[
        "campaign"
    ]
    rows = rows_of(run("report", submitted, again, "--out", "-").stdout)
    assert [row["campaign"] for row in rows] == [submitted] * 3 + [again] * 3
