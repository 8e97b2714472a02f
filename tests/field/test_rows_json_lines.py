"""JSON Lines with rows of different columns, numbers of dates, and objects of databases."""

from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from producers.errors import InputInvalid
from tests.kit.field import NUMBERS, Checked, check_values


def checked_csv(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> Checked:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return check_values(path)


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


FLOATS_IN_JSON = ("0.1000000015", "824.8200073242", "824.8200073242188", "77.209021123")


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
