import csv
from pathlib import Path

import pytest

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from producers.rows.refusals import Finding, RefusalReason, RefusedRow
from producers.rows.rejects_file import RejectsFile, default_path

EMPTY = Finding(RefusalReason.NUMBER, "to is empty")
OWN = ("line", "reason", "refused value", "what to do")


def test_refused_rows_can_be_read_again_with_their_cells(tmp_path: Path) -> None:
    rejects = RejectsFile(tmp_path / "a.rejects.csv", ("to", "name"))
    cells = [("98", 'As"ha, of\nPune'), ("=1+1", "आशा"), ("", "\0")]
    rejects.write([RefusedRow(line, EMPTY, row) for line, row in enumerate(cells, 2)])

    assert rejects.keep() == tmp_path / "a.rejects.csv"

    [chunk] = open_recipients(tmp_path / "a.rejects.csv").chunks()
    assert chunk.rows == [
        [str(line), "to is empty", "", RefusalReason.NUMBER.advice, *row] for line, row in enumerate(cells, 2)
    ]


def test_the_file_appears_when_it_is_kept_and_nothing_is_left_when_it_is_not(tmp_path: Path) -> None:
    rejects = RejectsFile(tmp_path / "a.rejects.csv", ("to",))
    rejects.write([RefusedRow(2, EMPTY, ("",))])

    assert not (tmp_path / "a.rejects.csv").exists()

    rejects.discard()
    assert list(tmp_path.iterdir()) == []


def test_without_refused_rows_there_is_no_file(tmp_path: Path) -> None:
    rejects = RejectsFile(tmp_path / "a.rejects.csv", ("to",))
    rejects.write([])

    assert rejects.keep() is None
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_is_replaced_and_only_its_owner_can_read_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.rejects.csv"
    path.write_text("old")
    rejects = RejectsFile(path, ("to",))
    rejects.write([RefusedRow(2, EMPTY, ("",))])
    rejects.keep()

    assert "old" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_rejects_file_of_a_rejects_file_has_its_own_columns_once(tmp_path: Path) -> None:
    rejects = RejectsFile(tmp_path / "b.csv", (*OWN, "to", "link"))
    before = ("17", "to is empty", "", "correct it", "98", "ex.in")
    rejects.write(
        [
            RefusedRow(2, Finding(RefusalReason.LINK, "link is not whitelisted", "ex.in"), before),
            RefusedRow(3, Finding(RefusalReason.SHAPE, "has 1 cell"), ("9",)),
        ]
    )
    rejects.keep()

    with (tmp_path / "b.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            [*OWN, "to", "link"],
            ["2", "link is not whitelisted", "ex.in", RefusalReason.LINK.advice, "98", "ex.in"],
            ["3", "has 1 cell", "", RefusalReason.SHAPE.advice],
        ]


def test_a_missing_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    rejects = RejectsFile(tmp_path / "none" / "a.csv", ("to",))

    with pytest.raises(
        InputInvalid,
        match=r"a\.csv: cannot be written: no such file or directory; choose another path with --rejects PATH",
    ):
        rejects.write([RefusedRow(2, EMPTY, ("",))])


@pytest.mark.parametrize(
    ("name", "rejects"),
    [
        ("customers.csv", "customers.rejects.csv"),
        ("customers.CSV", "customers.rejects.csv"),
        ("customers.parquet", "customers.parquet.rejects.csv"),
        ("customers.xlsx", "customers.xlsx.rejects.csv"),
    ],
)
def test_the_rejects_file_is_beside_the_recipients_file_and_every_format_has_its_own(name: str, rejects: str) -> None:
    assert default_path(Path("lists", name)) == Path("lists", rejects)
