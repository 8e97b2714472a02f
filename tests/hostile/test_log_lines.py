"""Foreign texts in log lines are short, on one line, and without control characters."""

import io
import json

import pytest
import structlog

from times_dispatch.settings.logs import configure

HOSTILE = "[/x]\x1b]0;owned\x07\u202e\x9b2J\nERROR forged line\udcff"
MAX_LINE = 400
"""The maximum length of the line of ``HOSTILE``, in characters."""


def logged(value: object, *, as_json: bool) -> str:
    stream = io.StringIO()
    configure(json=as_json, stream=stream)
    structlog.get_logger().warning("a request had an unknown secret", path=value)
    return stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE], {"inner": HOSTILE}, {HOSTILE: 1}])
def test_a_text_makes_one_line_and_steers_no_terminal(value: object, as_json: bool) -> None:
    line = logged(value, as_json=as_json)
    print(f"{len(HOSTILE)} hostile characters make {line.count(chr(10))} line of {len(line)} characters")  # noqa: T201
    assert len(line) < MAX_LINE
    assert line.count("\n") == 1
    assert [char for char in line if not (char.isprintable() or char == "\n")] == []
    assert "forged" in line


def test_a_line_of_json_keeps_the_text() -> None:
    assert json.loads(logged(HOSTILE, as_json=True))["path"] == HOSTILE


@pytest.mark.parametrize("as_json", [True, False])
def test_a_long_text_is_cut(as_json: bool) -> None:
    line = logged("x" * 5_000_000, as_json=as_json)
    print(f"a text of 5,000,000 characters makes a line of {len(line):,}")  # noqa: T201  # the figure
    assert len(line) < 11_000
    assert "4,990,000 more characters" in line
