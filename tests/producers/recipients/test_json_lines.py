import json

import pytest

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from producers.recipients.file import CHUNK_ROWS
from tests.kit.producers import WriteFile, read_rows


def test_numbers_are_taken_as_they_are_written(write: WriteFile) -> None:
    first, second = '{"to": 919876543210, "amount": 99.50}\n', '{"to": "98", "amount": 1e2, "x": [1]}\n'
    file = open_recipients(write("a.jsonl", first + second))

    assert file.heading.names == ("to", "amount", "x")
    assert read_rows(file) == ([(1, ["919876543210", "99.50", ""]), (2, ["98", "100", ""])], [])


def test_a_missing_key_and_null_are_empty_cells(write: WriteFile) -> None:
    file = open_recipients(write("a.ndjson", '{"to": "98", "name": null}\n\n{"to": "99", "city": "Pune"}\n'))

    assert file.heading.names == ("to", "name", "city")
    assert read_rows(file)[0] == [(1, ["98", "", ""]), (3, ["99", "", "Pune"])]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"a", "name": "b"', "stands twice in the row, with different values"),
        ('1, "name": 1.0', "stands twice in the row, with different values"),
        ('null, "name": "a"', "stands twice in the row, with different values"),
        ('["a"]', "holds a list or an object, and neither a text nor a number"),
        ('{"a": 1}', "holds a list or an object, and neither a text nor a number"),
        ("-Infinity", "is infinite"),
        ('"\\ud83d"', "holds half a surrogate pair, which is no character"),
        ("1207161786534401928", "is a number of more than 15 digits"),
    ],
)
def test_a_value_without_a_text_damages_its_cell_where_the_column_is_used(
    write: WriteFile, value: str, reason: str
) -> None:
    file = open_recipients(write("a.jsonl", f'{{"to": "98", "name": {value}}}\n'))

    file.use({0})
    assert [(chunk.rows, chunk.damaged) for chunk in file.chunks()] == [([["98", ""]], {})]
    file.use({0, 1})
    [chunk] = file.chunks()
    assert chunk.damaged[0, 1].startswith(reason)


def test_a_key_that_stands_twice_with_one_value_has_this_value(write: WriteFile) -> None:
    path = write("a.jsonl", '{"to": "98", "name": "Asha", "age": 1.50, "name": "Asha", "age": 1.50}\n')

    assert read_rows(open_recipients(path))[0] == [(1, ["98", "Asha", "1.50"])]


def test_nan_is_no_value(write: WriteFile) -> None:
    assert read_rows(open_recipients(write("a.jsonl", '{"to": "98", "name": NaN}\n')))[0] == [(1, ["98", ""])]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"to": ', "is not JSON"),
        ("98,Asha", "is not JSON"),
        ('"98"', "is not a JSON object"),
        ('["98"]', "is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_an_invalid_line_is_a_broken_row_and_the_other_rows_are_read(write: WriteFile, line: str, reason: str) -> None:
    good = '{"to": "98", "name": "Asha"}\n'

    rows, broken = read_rows(open_recipients(write("a.jsonl", good + line + "\n" + good)))

    assert [line for line, _ in rows] == [1, 3]
    assert broken == [(2, reason)]


def test_a_whole_surrogate_pair_is_a_character(write: WriteFile) -> None:
    assert read_rows(open_recipients(write("a.jsonl", '{"to": "\\ud83d\\ude00"}\n')))[0] == [(1, ["😀"])]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("\n \n", "a.jsonl: is empty"),
        ('[{"to": "98"}]', "a.jsonl:1: is a JSON array; write one object a line: jq -c"),
        ('\n{"to": \n"98"}', "a.jsonl:2: the first row is not JSON"),
        ('{"number": "98"}\n', "a.jsonl:1: no column named to; its columns are number"),
        ('{"to": "98", "To": "99"}\n', "a.jsonl:1: two columns are named to"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(write: WriteFile, content: str, reason: str) -> None:
    path = write("a.jsonl", content)

    with pytest.raises(InputInvalid) as refused:
        open_recipients(path)

    assert str(refused.value).startswith(str(path.with_name(reason)))


def test_lines_go_on_from_chunk_to_chunk(write: WriteFile) -> None:
    count = 2 * CHUNK_ROWS + 1
    file = open_recipients(write("a.jsonl", "".join(json.dumps({"to": n}) + "\n" for n in range(count))))

    assert read_rows(file)[0] == [(n + 1, [str(n)]) for n in range(count)]
    assert file.fraction() == 1.0


def test_a_number_becomes_a_plain_text_that_can_be_packed_into_a_batch(write: WriteFile) -> None:
    file = open_recipients(write("a.jsonl", '{"to": 9876543210, "amount": 499, "price": 99.50, "debt": -3}\n'))

    cells = [cell for chunk in file.chunks() for row in chunk.rows for cell in row]

    assert cells == ["9876543210", "499", "99.50", "-3"]
    assert {type(cell) for cell in cells} == {str}
