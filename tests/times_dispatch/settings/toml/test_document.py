import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.toml.strict_table import TomlPath

LAYOUT = """\
title = "top"            # 1
dotted.key = 2

[first]                  # 4
text = '''
three
lines'''
after = 8
array = [                # 9
  1,
  2,
]
inline = { a = 1, b = { c = 2 } }
"quoted.key" = 14

[first.child]            # 16
x = 17
[second]                 # 18
[first.other]            # 19
y = 20

[[many]]                 # 22
z = 23
[[many]]                 # 24
z = 25

[implicit.only.child]    # 27
w = 28
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 1),
        (("dotted",), 2),
        (("dotted", "key"), 2),
        (("first", "text"), 5),
        (("first", "after"), 8),
        (("first", "array"), 9),
        (("first", "array", 1), 9),
        (("first", "inline"), 13),
        (("first", "inline", "b", "c"), 13),
        (("first", "quoted.key"), 14),
        (("first", "child"), 16),
        (("first", "child", "x"), 17),
        (("second",), 18),
        (("first", "other", "y"), 20),
        (("many",), 22),
        (("many", 1), 24),
        (("many", 1, "z"), 25),
        (("implicit",), 27),
        (("implicit", "only", "child", "w"), 28),
    ],
)
def test_every_kind_of_value_is_found_at_its_line(path: TomlPath, line: int) -> None:
    assert Document("a.toml", LAYOUT).line(path) == line


@pytest.mark.parametrize(
    ("path", "line"),
    [(("second", "missing"), 18), (("first", "child", "missing"), 16), (("many", 7, "z"), 22), (("nowhere",), None)],
)
def test_a_missing_value_has_the_line_of_its_table(path: TomlPath, line: int | None) -> None:
    assert Document("a.toml", LAYOUT).line(path) == line


def test_the_same_name_elsewhere_does_not_mislead() -> None:
    text = '# rate = 1\nnote = "rate = 2"\n[a]\nrate = 4\n[b]\nrates = 6\nrate = 7\n'
    document = Document("a.toml", text)
    assert document.line(("b", "rate")) == 7
    assert document.line(("a", "rate")) == 4


_KEYS = st.text("abcxyz0189-_", min_size=1, max_size=8)
_VALUES = st.one_of(
    st.integers(-5, 5).map(lambda number: ([str(number)], number)),
    st.booleans().map(lambda truth: ([str(truth).lower()], truth)),
    st.text("ab #=[]{}'", max_size=6).map(lambda text: ([f'"{text}"'], text)),
    st.lists(st.text("ab #=[]'", max_size=5), min_size=2, max_size=4).map(
        lambda lines: (['"""', *lines[:-1], f'{lines[-1]}"""'], "\n".join(lines))
    ),
    st.lists(st.integers(0, 9), max_size=3).map(
        lambda numbers: (["[", *(f"  {number},  # [" for number in numbers), "]"], numbers)
    ),
)
_TABLE = st.dictionaries(_KEYS, _VALUES, max_size=4)


def test_a_boolean_is_found_in_a_table_that_comes_after_a_table_inside_it() -> None:
    assert Document("a.toml", "[a.b]\n[a]\nc = false").line(("a", "c")) == 3


@given(st.dictionaries(st.lists(_KEYS, min_size=1, max_size=2).map(tuple), _TABLE, max_size=4), st.data())
def test_every_value_of_any_file_is_found_at_its_line(
    tables: dict[tuple[str, ...], dict[str, tuple[list[str], object]]], data: st.DataObject
) -> None:
    lines: list[str] = []
    lines_of: dict[TomlPath, int] = {}
    for heading, table in tables.items():
        lines += data.draw(st.lists(st.sampled_from(["", "# a = 1", "  # [b]"]), max_size=2))
        lines_of[heading] = len(lines) + 1
        lines.append(f"[{'.'.join(heading)}]")
        for key, (written, _) in table.items():
            lines_of[(*heading, key)] = len(lines) + 1
            lines += [f"{key} = {written[0]}", *written[1:]]
    text = "\n".join(lines)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # a key of one table is the name of another table

    document = Document("a.toml", text)

    assert {path: document.line(path) for path in lines_of} == lines_of


class _Port(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    number: int


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    ports: dict[str, _Port]


def test_a_valid_file_becomes_its_model() -> None:
    model, mistakes = Document("a.toml", "[ports.a]\nnumber = 1\n").check(_File)
    assert model == _File(ports={"a": _Port(number=1)})
    assert mistakes == []


def test_mistakes_name_file_line_and_path() -> None:
    model, mistakes = Document("a.toml", "[ports.a]\nnumbre = 1\n").check(_File)
    assert model is None
    assert mistakes == [
        "a.toml:1: ports.a.number: is missing",
        "a.toml:2: ports.a.numbre: there is no such setting; did you mean number?",
    ]


def test_reading_names_the_file_as_it_was_given(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("a = 1\n", encoding="utf-8")
    assert Document.read(file).mistake(("a",), "is wrong") == f"{file}:1: a: is wrong"
