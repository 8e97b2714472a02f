"""CSV as programs and people write it: quotes, separators, headings and rows of other lengths."""

from pathlib import Path

import pytest

from producers.errors import InputInvalid
from tests.kit.field import NUMBERS, Checked, check_values


def checked_csv(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> Checked:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return check_values(path)


@pytest.mark.parametrize(
    "content",
    [
        'to, value\n9876543210, "Rao, Asha"\n',
        'to ; value\n9876543210 ; "Rao, Asha"\n',
        b'\xef\xbb\xbf\xef\xbb\xbfto,value\n9876543210,"Rao, Asha"\n',
        b'\xef\xbb\xbf\xef\xbb\xbf\xef\xbb\xbf"to","value"\n9876543210,"Rao, Asha"\n',
        "sep=;\nto;value\n9876543210;Rao, Asha\n",
        'sep=,\r\nto,value\r\n9876543210,"Rao, Asha"\r\n',
        b"\xef\xbb\xbfsep=;\r\nto;value\r\n9876543210;Rao, Asha\r\n",
        '"sep=|"\nto|value\n9876543210|Rao, Asha\n',
        "SEP=\t\nto\tvalue\n9876543210\tRao, Asha\n",
        "to|value\n9876543210|Rao, Asha\n",
        "sep = ;\nto;value\n9876543210;Rao, Asha\n",
        'to,value\n9876543210,"Rao, Asha" \n',
        '"to" , "value"\n"9876543210" , "Rao, Asha"  \r\n',
        'to,value,x\n9876543210,\t"Rao, Asha"\t,\u00a0"1"\n',
        'to\tvalue\n9876543210\t "Rao, Asha" \n',
        'to,value,,\n9876543210,"Rao, Asha"\n',
        'to,value,remarks\n9876543210,"Rao, Asha"\n',
        'to,value\n9876543210,"Rao, Asha",,\n',
        '\n,,\nto,value\n\n9876543210,"Rao, Asha"\n,\n , \n',
        'to,value,2025-2026,Q3 2026,1234567890 fee\n9876543210,"Rao, Asha",1,2,3\n',
        'to,value,name,Name\n9876543210,"Rao, Asha",x,y\n',
        'to,value,a,a,a,,\n9876543210,"Rao, Asha"\n',
        '\'to,value\n9876543210,"Rao, Asha"\n',
        '"=""to""",value\n9876543210,"Rao, Asha"\n',
        'Customers of November\nto,value\n9876543210,"Rao, Asha"\n',
        'Customers,,\n\n"List of 27, Nov",\nto,value\n9876543210,"Rao, Asha"\n',
        "'to','value'\n'9876543210','Rao, Asha'\n",
        "to^value\n9876543210^Rao, Asha\n",
        "sep=^\nto^value\n9876543210^Rao, Asha\n",
        "sep=\\t\nto\tvalue\n9876543210\tRao, Asha\n",
        'to\u200b,\u00a0Value \n9876543210,"Rao, Asha"\n',
        'to,value\r\n9876543210,"Rao, Asha"\r\n\x1a',
        "to;value\r\n9876543210;Rao, Asha\x1a",
        "to,value\n9876543210,Rao\\, Asha\n",
    ],
)
def test_csv_is_read_as_it_is_written_in_the_wild(tmp_path: Path, content: str | bytes) -> None:
    checked = checked_csv(tmp_path, content)

    assert (checked.to, checked.values, checked.refused) == (["919876543210"], ["Rao, Asha"], [])


def test_blanks_at_quotes_within_a_cell_are_part_of_the_value(tmp_path: Path) -> None:
    content = 'to,value,x\n9876543210,"The ""big"" , ""new"" one","first\n"" , x" \n9876543211,"a , ""b""","c"\n'

    assert checked_csv(tmp_path, content).values == ['The "big" , "new" one', 'a , "b"']


def test_a_quote_after_a_backslash_is_part_of_the_value(tmp_path: Path) -> None:
    content = 'to,value\n9876543210,"The \\"big\\" one, new"\n9876543211,"C:\\\\x"\n'

    assert checked_csv(tmp_path, content).values == ['The "big" one, new', "C:\\x"]


def test_backslashes_in_a_file_that_doubles_its_quotes_are_part_of_the_value(tmp_path: Path) -> None:
    content = 'to,value\n9876543210,"The ""big"" one \\"\n9876543211,"C:\\x"\n'

    assert checked_csv(tmp_path, content).values == ['The "big" one \\', "C:\\x"]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("to|value\n9876543210|Rao\\|Asha\n", "Rao|Asha"),
        ("to|value\n9876543210|Rao\\|A\\\\B\n", "Rao|A\\B"),
        ("to|value\n9876543210|A\\B\n", "A\\B"),
        ("to,value,x\n9876543210,C:\\,x\n", "C:\\"),
    ],
)
def test_a_delimiter_after_a_backslash_is_part_of_the_value(tmp_path: Path, content: str, value: str) -> None:
    assert checked_csv(tmp_path, content).values == [value]


@pytest.mark.parametrize("name", ["मोबाइल नंबर", "दूरभाष क्रमांक", "கைபேசி எண்", "ఫోన్ నంబర్", "મોબાઇલ નંબર"])
def test_a_heading_in_a_language_of_india_is_named_as_the_column_of_the_numbers(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{name},value\n9876543210,Asha\n", encoding="utf-8")

    with pytest.raises(InputInvalid, match=f'write to = "{name}"'):
        check_values(path)


def test_rows_above_the_heading_are_left_out_with_a_warning_and_count_as_lines(tmp_path: Path) -> None:
    checked = checked_csv(tmp_path, "Customers\n\nNovember,x,y\nto,value\n9876543210,Asha\n")

    assert checked.warnings == ["a.csv: 2 rows above the heading are left out"]


def test_a_line_that_names_the_separator_counts_as_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=;\nto;value\n9876543210;Asha\n1;x\n", encoding="utf-8")

    with pytest.raises(InputInvalid, match=r"a\.csv:2: no column named to|a\.csv has no column other"):
        check_values(path, "{other}")


def test_a_column_that_is_used_and_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match=r"two columns are named value; rename or delete one of them"):
        checked_csv(tmp_path, "to,value,Value\n9876543210,a,b\n")


def test_a_row_that_lacks_a_used_cell_is_refused_for_that_cell(tmp_path: Path) -> None:
    assert checked_csv(tmp_path, "to,value\n9876543210\n").refused == ["value is empty"]


def test_a_row_with_cells_beyond_the_heading_is_refused(tmp_path: Path) -> None:
    assert checked_csv(tmp_path, "to,value\n9876543210,a,b\n").refused == ["has 3 cells, the heading has 2"]


def test_a_date_as_milliseconds_is_refused_in_csv_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"to,expiry_date\n{NUMBERS[0]},1795305400123\n{NUMBERS[1]},30-11-2026\n")

    checked = check_values(path, "{expiry_date}")

    assert (checked.values, len(checked.refused)) == (["30-11-2026"], 1)
