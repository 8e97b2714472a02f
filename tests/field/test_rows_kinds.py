"""Files with a wrong suffix and damaged workbooks are refused in one line that names the real kind or the damage."""

import zipfile
from pathlib import Path

import pytest

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from tests.kit.field import NUMBERS, workbook_with
from tests.kit.producers import read_rows

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xls", "<html><table><tr><td>to</td></tr></table></html>", "is a page of HTML; open it in a spreadsheet"),
        ("a.xls", "\n<!DOCTYPE html><html></html>", "is a page of HTML"),
        ("a.xlsx", '<?xml version="1.0"?><Workbook/>', "is an XML document"),
        ("a.xls", "to\tname\n9876543210\tAsha\n", "it is text that tabs separate; rename it to a.tsv"),
        ("a.xls", "to,name\n9876543210,Asha\n", "it is text that commas or semicolons separate; rename it to a.csv"),
        ("a.csv", "<table><tr><td>to</td></tr></table>", "is a page of HTML"),
        ("a.csv", '[{"to":"9876543210","value":"a"}]', "is JSON, in spite of its name; rename it to a.jsonl"),
        ("a.txt", '{"to":"9876543210","value":"a"}', "is JSON, in spite of its name; rename it to a.jsonl"),
        ("a.csv", "{\\rtf1 to}", "is a text document"),
        ("a.xls", "MIME-Version: 1.0\r\nX-Document-Type: Workbook\r\n", "is a web page of one file"),
        ("a.xlsb", "PK", "is not a workbook, or is damaged"),
        ("a.csv", "%PDF-1.7", "is a PDF document; export the list as .xlsx or .csv"),
    ],
)
def test_a_file_that_lies_about_its_kind_is_named_for_what_it_is(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(InputInvalid) as refused:
        open_recipients(path)

    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_binary_workbook_is_refused_by_its_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsb", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.bin", b"")

    with pytest.raises(InputInvalid, match=r"a\.xlsb: is a binary Excel workbook \(\.xlsb\); save it as \.xlsx"):
        open_recipients(tmp_path / "a.xlsb")


def test_a_workbook_is_read_whatever_workbook_its_name_says(tmp_path: Path) -> None:
    path = workbook_with(tmp_path / "a.xlsx", ("Asha", "@")).rename(tmp_path / "a.xls")

    assert read_rows(open_recipients(path))[0] == [(2, [NUMBERS[1], "Asha"])]


def test_a_workbook_called_csv_is_named_with_its_suffix(tmp_path: Path) -> None:
    path = workbook_with(tmp_path / "a.xlsx", ("Asha", "@")).rename(tmp_path / "a.csv")

    with pytest.raises(
        InputInvalid, match=r"is an Excel workbook \(\.xlsx\), in spite of its name; rename it to a\.xlsx"
    ):
        open_recipients(path)


@pytest.mark.parametrize("name", ["kinds.xls", "a.xlsx"])
@pytest.mark.parametrize(
    "cut",
    # Each case starts a reader, so that all cases take some seconds; make fast runs every third case.
    [pytest.param(cut, marks=() if cut % 660 == 40 else pytest.mark.slow) for cut in range(40, 4000, 220)],
)
def test_a_damaged_workbook_is_refused_in_one_line(tmp_path: Path, name: str, cut: int) -> None:
    path = workbook_with(tmp_path / "a.xlsx", ("Asha", "@"))
    whole = FILES.joinpath(name).read_bytes() if name == "kinds.xls" else path.read_bytes()
    damaged = tmp_path / name
    damaged.write_bytes(whole[:cut] + b"\xff" * 64 + whole[cut + 64 :])

    refusal = refusal_of(damaged)

    assert "\n" not in refusal
    assert not refusal or str(damaged) in refusal


@pytest.mark.parametrize(("offset", "byte"), [(6, 128), (46, 255)], ids=["version", "name"])
def test_a_workbook_with_a_damaged_directory_is_refused(tmp_path: Path, offset: int, byte: int) -> None:
    path = workbook_with(tmp_path / "a.xlsx", ("Asha", "@"))
    damaged = bytearray(path.read_bytes())
    entry = damaged.index(b"PK\x01\x02")
    damaged[entry + 9] |= 8  # names in UTF-8
    damaged[entry + offset] = byte
    path.write_bytes(damaged)

    assert "is not a workbook, or is damaged" in refusal_of(path)


def refusal_of(path: Path) -> str:
    try:
        read_rows(open_recipients(path))
    except InputInvalid as refused:
        return str(refused)
    return ""
