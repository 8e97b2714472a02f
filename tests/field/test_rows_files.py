"""Recipients files in the forms that programs write: CSV, JSON Lines and Parquet."""

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


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        ('{"to":"9876543210"}\n{"to":"9876543211","value":"b"}', ["b"]),
        ('{"to":"9876543210","value":null}\n{"to":"9876543211","value":"b"}', ["b"]),
        ('{"to":"9876543210","value":"a","tags":["x"]}\n{"to":"9876543211","value":"b","tags":{"y":1}}', ["a", "b"]),
        ('{"to":"9876543210","value":"a","x":true,"x":NaN}\n{"to":"9876543211","value":"b","x":"\\ud83d"}', ["a", "b"]),
        ('\ufeff\ufeff{"to":9876543210,"value":99.50}\n{"to":9876543211.0,"value":499.0}', ["99.50", "499"]),
        ('{"to":9876543210,"value":824.8199999999999}\n{"to":9876543211,"value":1e3}', ["824.82", "1000"]),
        ('{"to":{"$numberLong":"9876543210"},"value":{"$date":"2026-11-30T00:00:00Z"}}', ["2026-11-30"]),
        ('{"to":"9876543210","value":{"$numberDecimal":"99.50"}}', ["99.50"]),
        ('{"to":"9876543210","value":{"$date":{"$numberLong":"1795996800000"}}}', ["2026-11-30"]),
        ('{"to":"9876543210","value":{"$numberInt":"5"}}\n{"to":"9876543211","value":{"$oid":"65f0"}}', ["5", "65f0"]),
        ('{"to":"9876543210","value":123456789012.34}', ["123456789012.34"]),
        ('{"to":"9876543210","value":0.30000000000000004}', ["0.3"]),
        ('{"to":"9876543210","value":999999999999999.0}', ["999999999999999"]),
        ('{"to":9876543210,"value":true}\n{"to":9876543211,"value":false}', ["TRUE", "FALSE"]),
        ('{"to":9876543210,"value":NaN}\n{"to":9876543211,"value":Infinity}\n{"to":1,"value":0}', []),
        ('{"to":9876543210,"value":"2026-11-30T00:00:00.000"}', ["2026-11-30"]),
        ('{"to":9876543210,"value":1207161786534401928}\n{"to":9876543211,"value":"1207161786534401928"}',
         ["1207161786534401928"]),
    ],
)  # fmt: skip
def test_json_lines_have_the_columns_of_all_rows(tmp_path: Path, rows: str, values: list[str]) -> None:
    assert checked_csv(tmp_path, rows + "\n", "a.jsonl").values == values


INT128 = Path(__file__).parent / "files" / "int128.parquet"
"""A file written by Polars with a column of the type Int128, which pyarrow does not support."""
FLOATS_IN_JSON = ("0.1000000015", "824.8200073242", "824.8200073242188", "77.209021123")


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


def test_floats_of_four_bytes_that_json_made_doubles_are_what_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [f'{{"to": "{number}", "value": {value}}}\n' for number, value in zip(NUMBERS, FLOATS_IN_JSON, strict=False)]
    path.write_text("".join(rows))

    assert check_values(path).values == ["0.1", "824.82", "824.82", "77.209021123"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("value", ["1795996800000"]),
        ("value", ["-147052800000", "631152000000"]),
        ("value", ["1795305400000", "1795305460000", "1795305520000"]),
        ("due_date", ["1795305400123"]),
        ("due_date", ["1795305400"]),
        ("createdAt", ['"1795305400123"']),
        ("DOB", ["631152000000"]),
    ],
)
def test_dates_as_milliseconds_since_1970_are_refused_with_advice(tmp_path: Path, name: str, values: list[str]) -> None:
    path = tmp_path / "a.jsonl"
    rows = zip(NUMBERS, values, strict=False)
    path.write_text("".join(f'{{"to":"{number}","{name}":{value}}}\n' for number, value in rows))

    checked = check_values(path, f"{{{name}}}")

    assert checked.values == []
    advice = f"{name} is a date as milliseconds or seconds since 1970, as pandas and JavaScript write it: write it as a"
    assert all(reason.startswith(advice) for reason in checked.refused)
    assert len(checked.refused) == len(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("value", "1795305400123"),
        ("value", "1795305400000"),
        ("value", '"1795996800000"'),
        ("value", "919876543000"),
        ("due_date", "20261130"),
        ("due_date", '"202611301030"'),
        ("update", "1795305400123"),
    ],
)
def test_other_numbers_of_as_many_digits_are_sent(tmp_path: Path, name: str, value: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"to":"{NUMBERS[0]}","{name}":{value}}}\n')

    assert check_values(path, f"{{{name}}}").values == [value.strip('"')]


def test_a_date_as_milliseconds_is_refused_in_csv_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"to,expiry_date\n{NUMBERS[0]},1795305400123\n{NUMBERS[1]},30-11-2026\n")

    checked = check_values(path, "{expiry_date}")

    assert (checked.values, len(checked.refused)) == (["30-11-2026"], 1)


def test_a_number_of_16_bytes_that_nothing_uses_refuses_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(INT128.read_bytes())

    assert check_values(path).values == ["Asha", "Ravi"]
    with pytest.raises(InputInvalid, match=r"column big is of the type fixed_size_binary\[16\], which has no text"):
        check_values(path, "{big}")


def test_objects_that_commas_follow_are_rows(tmp_path: Path) -> None:
    rows = f'{{"to":"{NUMBERS[0]}","value":"a"}},\n{{"to":"{NUMBERS[1]}","value":-0.0}} ,\r\n'

    assert checked_csv(tmp_path, rows, "a.jsonl").values == ["a", "0"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", '[{"to":1}]', "a.json:1: is a JSON array; write one object a line: jq -c '.[]' a.json > a.jsonl"),
        ("a.jsonl", '[\n{"to":1}]', "is a JSON array; write one object a line: jq -c '.[]' a.jsonl > a.l"),
        ("a.jsonl", '["98765","a"]\n', "a.jsonl:1: the first row is not a JSON object; its keys name the columns"),
        ("a.json", '{\n "to": "1"\n}\n', "the first row is not JSON; write one object a line: jq -c '.' a"),
    ],
)  # fmt: skip
def test_other_json_is_refused_with_a_command_that_overwrites_nothing(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        checked_csv(tmp_path, content, name)

    assert reason in str(refused.value)


@pytest.mark.parametrize("number", ["123456789012345.67", "-12345678901234.56", "1234567890123.456"])
def test_an_amount_of_too_many_digits_is_refused_and_not_rounded(tmp_path: Path, number: str) -> None:
    lines, table = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    lines.write_text(f'{{"to":"{NUMBERS[0]}","value":{number}}}\n')
    parquet.write_table(arrow.table({"to": NUMBERS[:2], "value": [float(number), 1e14]}), table)

    refusal = (
        "value is a number of more than 15 digits, the last of which may be lost: format the column as text, and enter "
        "the value again"
    )
    assert check_values(lines).refused == check_values(table).refused == [refusal]


@pytest.mark.parametrize("value", ['{"$date":{"$numberLong":"x"}}', '{"$numberLong":"x"}', '{"$regex":"a"}'])
def test_an_object_of_mongodb_without_a_plain_value_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"to":"{NUMBERS[0]}","value":{value}}}\n')

    assert check_values(path).refused == ["value holds a list or an object, and neither a text nor a number"]


def test_a_midnight_as_a_number_in_an_object_of_mongodb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"to":"{NUMBERS[0]}","value":{{"$numberLong":"1795996800000"}}}}\n')

    assert check_values(path).values == []
