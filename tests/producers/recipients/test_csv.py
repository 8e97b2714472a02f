import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from producers.recipients.csv import lines_without_blanks_at_quotes, without_blanks_at_quotes
from producers.recipients.file import CHUNK_ROWS
from tests.kit.producers import WriteFile, read_rows


def test_rows_come_with_their_lines(write: WriteFile) -> None:
    file = open_recipients(write("a.csv", "to,name\n98,Asha\n99,Ravi\n"))

    assert file.heading.names == ("to", "name")
    assert read_rows(file) == ([(2, ["98", "Asha"]), (3, ["99", "Ravi"])], [])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_with_which_the_heading_has_the_number(write: WriteFile, delimiter: str) -> None:
    others = [other for other in ",;\t" if other != delimiter]
    heading = delimiter.join([others[0].join("abcd"), "To", "name" + others[1] * 5])

    file = open_recipients(write("a.csv", f"{heading}\n1{delimiter}2{delimiter}3\n"))

    assert file.heading.index("to") == 1
    assert read_rows(file)[0] == [(2, ["1", "2", "3"])]


@pytest.mark.parametrize("heading", ['"to";"name"', '"to"\t"name"', '"to","name"', "to;name;a,a,a"])
def test_a_heading_that_is_invalid_with_a_wrong_delimiter_is_still_read(write: WriteFile, heading: str) -> None:
    row = "98" + heading.count(";") * ";x" + heading.count("\t") * "\tx" + (heading.count(",") == 1) * ",x"

    file = open_recipients(write("a.csv", f"{heading}\n{row}\n"))

    assert file.heading.names[:2] == ("to", "name")
    assert read_rows(file)[0][0][1][:2] == ["98", "x"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(write: WriteFile) -> None:
    file = open_recipients(write("a.csv", b"\xef\xbb\xbfto,name\n98,\xe0\xa4\x86\xe0\xa4\xb6\xe0\xa4\xbe\n"))

    assert file.heading.index("to") == 0
    assert read_rows(file)[0] == [(2, ["98", "आशा"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_numbers_are_right_after_quoted_line_breaks_and_blank_lines(write: WriteFile, end: str) -> None:
    text = end.join(["to,name", '98,"Asha', "", 'Patel"', "", "99,Ravi", '97,"two', 'lines"', "96,Meena", ""])

    rows, _ = read_rows(open_recipients(write("a.csv", text)))

    assert rows == [
        (2, ["98", f"Asha{end}{end}Patel"]),
        (6, ["99", "Ravi"]),
        (7, ["97", f"two{end}lines"]),
        (9, ["96", "Meena"]),
    ]


def test_a_row_with_too_many_cells_is_broken_and_the_other_rows_are_read(write: WriteFile) -> None:
    rows, broken = read_rows(open_recipients(write("a.csv", "to,name\n98\n99,Ravi\n97,a,b\n96,c,, \n")))

    assert rows == [(2, ["98", ""]), (3, ["99", "Ravi"]), (5, ["96", "c"])]
    assert broken == [(4, "has 3 cells, the heading has 2")]


@pytest.mark.parametrize("blank", [",", '"",""', " , ", ""])
def test_a_row_without_any_value_is_passed_over(write: WriteFile, blank: str) -> None:
    rows, broken = read_rows(open_recipients(write("a.csv", f"to,name\n98,Asha\n{blank}\n99,Ravi\n")))

    assert rows == [(2, ["98", "Asha"]), (4, ["99", "Ravi"])]
    assert not broken


@pytest.mark.parametrize("count", [CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1])
def test_lines_go_on_from_chunk_to_chunk(write: WriteFile, count: int) -> None:
    file = open_recipients(write("a.csv", "to\n" + "".join(f"{n}\n" for n in range(count))))

    rows, _ = read_rows(file)

    assert rows == [(n + 2, [str(n)]) for n in range(count)]
    assert file.fraction() == 1.0


def test_the_share_that_is_read_grows(write: WriteFile) -> None:
    file = open_recipients(write("a.csv", "to\n" + "9876543210\n" * 20 * CHUNK_ROWS))

    shares = [file.fraction() for _ in file.chunks()]

    assert 0 < shares[0] < 0.2
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "a.csv: is empty"),
        ("\n\n", "a.csv: is empty"),
        ("\ufeff", "a.csv: is empty"),
        ("to,name\n", "a.csv: has a heading and no rows"),
        ("to,name\n\n\n", "a.csv: has a heading and no rows"),
        ("too,name\n98,Asha\n", "a.csv:1: no column named to; its columns are too, name"),
        ("\n\nnumber,name\n98,Asha\n", "a.csv:3: no column named to; its columns are number, name"),
        (
            "Mobile No.,name\n98,A\n",
            (
                "a.csv:1: no column named to; its columns are Mobile No., name; "
                'if Mobile No. has the numbers, write to = "Mobile No." in the campaign file'
            ),
        ),
        ("to,TO\n98,a\n", "a.csv:1: two columns are named to"),
        ('to,name\n98,"Asha\n99,Ravi\n', "a.csv:2: a quote is opened here and not closed"),
        ('to,name\n98,"A\nB"\n99,"As"ha\n', "a.csv:4: there is text or a blank after a closing quote"),
        ('to,name\n98,"' + "x\n" * 70_000 + '"\n', "a.csv:2: a cell is longer than 131,072 characters"),
        ('to,"name\n98,Asha\n', "a.csv:1: a quote is opened here and not closed"),
        ("to,name\0\n98,Asha\n", "a.csv:1: the heading holds NUL bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(write: WriteFile, content: str, reason: str) -> None:
    path = write("a.csv", content)

    with pytest.raises(InputInvalid) as refused:
        read_rows(open_recipients(path))

    assert str(refused.value).startswith(str(path.with_name(reason)))
    assert "\n" not in str(refused.value)


def test_a_missing_heading_does_not_put_the_first_number_into_the_message(write: WriteFile) -> None:
    with pytest.raises(InputInvalid) as refused:
        open_recipients(write("a.csv", "98765 43210,Asha Patel\n9876543211,Ravi\n"))

    assert "the first row looks like a recipient" in str(refused.value)
    assert "Asha" not in str(refused.value)
    assert "98765" not in str(refused.value)


def test_columns_without_a_name_may_be_several(write: WriteFile) -> None:
    file = open_recipients(write("a.csv", "to,name,,\n98,Asha,,\n"))

    assert read_rows(file)[0] == [(2, ["98", "Asha", "", ""])]


def test_a_nul_byte_stays_in_its_cell(write: WriteFile) -> None:
    assert read_rows(open_recipients(write("a.csv", "to,name\n98,As\0ha\n")))[0] == [(2, ["98", "As\0ha"])]


def test_another_column_can_hold_the_numbers(write: WriteFile) -> None:
    path = write("a.csv", "Mobile;name\n98;Asha\n")

    assert open_recipients(path, to="mobile").heading.index("mobile") == 0
    with pytest.raises(InputInvalid, match="no column named to"):
        open_recipients(path)


@pytest.mark.parametrize("name", ["missing.csv", "folder.csv"])
def test_a_path_that_is_no_file_is_refused(write: WriteFile, name: str) -> None:
    path = write("other.csv", "to\n98\n").with_name(name)
    if name == "folder.csv":
        path.mkdir()

    with pytest.raises(InputInvalid, match=r"no such file|is not a file"):
        open_recipients(path)


def test_an_unknown_suffix_is_refused_with_the_known_ones(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match=r"cannot tell the format from \.docx; use \.csv"):
        open_recipients(write("a.docx", "to\n98\n"))


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(cells, cells), min_size=1), st.sampled_from([("\n"), ("\r\n")]))
def test_csv_that_python_writes_is_read_with_the_right_lines(rows: list[tuple[str, str]], end: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(("to", "name"))
    starts = []
    for row in rows:
        written = io.StringIO(text.getvalue(), newline="")
        starts.append(sum(1 for _ in written) + 1)
        writer.writerow(row)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(text.getvalue().encode())
        assume(any(cell.strip() for row in rows for cell in row))

        read_back, broken = read_rows(open_recipients(path))

    filled = [(line, list(row)) for line, row in zip(starts, rows, strict=True) if any(map(str.strip, row))]
    assert read_back == filled
    assert not broken


@given(
    st.lists(st.sampled_from([*'" ,a;\t\n\u00a0', '"a"', '" ,', '"b ", ', "\r\n", "a" * 9_000, '" "']), max_size=40),
    st.sampled_from(",;\t"),
)
def test_lines_that_are_searched_in_groups_are_the_lines_that_are_searched_one_by_one(
    pieces: list[str], delimiter: str
) -> None:
    text = "".join(pieces)
    one_by_one = without_blanks_at_quotes(io.StringIO(text, newline=""), delimiter)

    assert list(lines_without_blanks_at_quotes(io.StringIO(text, newline=""), delimiter)) == list(one_by_one)
