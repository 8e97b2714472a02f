import csv
from pathlib import Path

from times_dispatch.demo.recipients import rows, write
from times_dispatch.sms.numbers import normalise


def _number(raw: str) -> str | None:
    try:
        return normalise(raw)
    except ValueError:
        return None


def test_the_same_seed_gives_the_same_rows_and_another_seed_gives_others() -> None:
    assert list(rows(50, seed=3)) == list(rows(50, seed=3))
    assert list(rows(50, seed=3)) != list(rows(50, seed=4))


def test_without_wrong_rows_every_number_is_valid_and_occurs_once() -> None:
    numbers = [_number(to) for to, *_ in rows(2_000, wrong=False)]
    assert None not in numbers
    assert len(set(numbers)) == 2_000


def test_about_one_row_in_a_hundred_is_wrong() -> None:
    table = list(rows(5_000, seed=2))
    numbers = [_number(to) for to, *_ in table]
    repeated = len(numbers) - len(set(numbers))
    too_long = sum(len(name) > 30 for _, name, *_ in table)
    assert 25 <= repeated + too_long <= 100


def test_a_file_has_a_heading_and_the_rows(tmp_path: Path) -> None:
    write(tmp_path / "customers.csv", 20, seed=5)
    with (tmp_path / "customers.csv").open(encoding="utf-8", newline="") as file:
        heading, *table = csv.reader(file)
    assert heading == ["to", "name", "order", "amount"]
    assert table == list(rows(20, seed=5))
