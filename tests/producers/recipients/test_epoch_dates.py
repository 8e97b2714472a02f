import pytest

from producers.recipients.epoch_dates import is_epoch_in_date_column, is_midnight, is_whole_second, names_date

NAMES = ["date", "Due Date", "due_date", "dueDate", "DOB", "created_at", "createdAt", "paidOn", "valid till", "दिनांक"]


@pytest.mark.parametrize("name", [*NAMES, "EXPIRY_DATE", "expiry", "timestamp", "Delivery Time", "date_of_birth", "dt"])
def test_the_name_of_a_column_says_that_it_has_dates(name: str) -> None:
    assert names_date(name)


@pytest.mark.parametrize("name", ["order", "update", "candidate", "at", "on", "amount", "station", "to", "नाम", "id"])
def test_other_names_do_not(name: str) -> None:
    assert not names_date(name)


@pytest.mark.parametrize(
    "cell", ["1795305400000", "1795305400", "946684800000", "631152000000", "-147052800000", "1795305400123"]
)
def test_a_number_since_1970_is_seen_in_a_column_of_dates(cell: str) -> None:
    assert is_epoch_in_date_column(cell)


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "2026-11-30",
        "30112026",
        "20261130",
        "2026113010",
        "202611301030",
        "20261130103000",
        "46356",
        "179530540000x",
    ],
)
def test_a_date_that_people_read_is_none(cell: str) -> None:
    assert not is_epoch_in_date_column(cell)


def test_midnights_are_told_from_other_numbers() -> None:
    assert is_midnight(1_795_996_800_000)
    assert is_midnight(-147_052_800_000)
    assert not any(map(is_midnight, (0, 1_795_996_800_001, 86_400_000, 1_795_996_800, 919_900_800_000, 10**15)))


def test_whole_seconds_are_told_from_other_numbers() -> None:
    assert is_whole_second(1_795_305_400_000)
    assert not any(map(is_whole_second, (1_795_305_400_123, 919_876_543_000, 9_876_543_000, 5 * 10**12)))
