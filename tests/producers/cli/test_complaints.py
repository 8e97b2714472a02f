"""``dispatch complaints``: complaints that are stored, refused and listed."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.producers import Run


@pytest.mark.usefixtures("submitted")
def test_a_complaint_is_kept_counted_listed_and_removed(run: Run) -> None:
    assert run("complaints", "list").stdout == "no complaint is recorded\n"
    first = run("complaints", "add", "TIMESM", "C-1")
    assert first.stdout.splitlines() == [
        "added",
        "TIMESM: 1 complaint within 10 days; 5 start an action against the sender",
    ]
    assert run("complaints", "add", "TIMESM", "C-1").stdout.startswith("kept already\n")
    day = f"{datetime.now(UTC) - timedelta(days=20):%Y-%m-%d}"
    assert "TIMESM: 1 complaint within" in run("complaints", "add", "TIMESM", "C-2", "--on", day).stdout
    listed = run("complaints", "list").stdout
    assert "C-1" in listed
    assert day in listed
    answer = json.loads(run("complaints", "list", "--sender", "TIMESM", "--json").stdout)
    assert [complaint["reference"] for complaint in answer["TIMESM"]] == ["C-2", "C-1"]
    assert abs(answer["TIMESM"][1]["at_ms"] / 1000 - time.time()) < 60
    assert run("complaints", "remove", "TIMESM", "C-1").stdout == "removed\n"
    assert "complaint removed" in run("audit").stdout


@pytest.mark.usefixtures("submitted")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "NOBODY", "C-1"), "sender NOBODY: the ledger has no sender of this name"),
        (("add", "TIMESM", "9876543210"), "the reference may not be a phone number"),
        (("add", "TIMESM", "a b"), "must be 1 to 64 letters"),
        (
            ("add", "TIMESM", "C-1", "--on", "tomorrow"),
            "'tomorrow' is no day; write 2026-11-26, today, yesterday or 7d",
        ),
        (("add", "TIMESM", "C-1", "--on", "2099-01-01"), "--on 2099-01-01: is in the future"),
        (("remove", "TIMESM", "C-9"), "sender TIMESM has no complaint C-9"),
    ],
)
def test_wrong_input_is_refused(run: Run, arguments: tuple[str, ...], said: str) -> None:
    result = run("complaints", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "9876543210" not in result.output
