import json

import pytest

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from producers.recipients.file import CHUNK_ROWS
from tests.kit.producers import WriteFile, read_rows


def test_numbers_are_taken_as_they_are_written(write: WriteFile) -> None:
    file = open_recipients(write("a.jsonl", '{"to": 919876543210, "amount": 99.50}\n{"to": "98", "amount": 1e2}\n'))

    assert file.heading.names == ("to", "amount")
    assert read_rows(file) == ([(1, ["919876543210", "99.50"]), (2, ["98", "1e2"])], [])


def test_a_missing_key_and_null_are_empty_cells_and_an_unknown_key_is_passed_over(write: WriteFile) -> None:
    file = open_recipients(write("a.ndjson", '{"to": "98", "name": null}\n\n{"to": "99", "city": "Pune"}\n'))

    assert read_rows(file)[0] == [(1, ["98", ""]), (3, ["99", ""])]


def test_values_that_are_no_text_make_no_column(write: WriteFile) -> None:
    file = open_recipients(write("a.jsonl", '{"to": "98", "tags": ["x"], "vip": true, "of": {"a": 1}}\n'))

    assert file.heading.names == ("to",)
    assert read_rows(file)[0] == [(1, ["98"])]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"to": ', "is not JSON"),
        ("98,Asha", "is not JSON"),
        ('"98"', "is not a JSON object"),
        ('["98"]', "is not a JSON object"),
        ('{"to": "98", "name": "a", "name": "b"}', "has a key twice"),
        ('{"to": "98", "name": ["a"]}', "holds neither a text nor a number as name"),
        ('{"to": "98", "name": true}', "holds neither a text nor a number as name"),
        ('{"to": "98", "name": NaN}', "holds NaN, which is not JSON"),
        ('{"to": "98", "name": "\\ud83d"}', "holds half a surrogate pair, which is no character"),
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
        (
            '{"to": "98", "n\\ud83d": "x"}\n',
            "a.jsonl:1: a key of the first row holds half a surrogate pair, which is no character; its keys name",
        ),
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
