"""Reports fit the terminal on which they are printed."""

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

import pytest

from producers.cli.output import echo_report

_LINE = "cancels for good: " + "campaign " * 12


@contextmanager
def _terminal(columns: int, rows: list[str]) -> Iterator[TextIO]:
    """Yield a terminal to print on; at the end, add the printed lines to *rows*."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    reader = os.fdopen(ours, "rb", buffering=0)
    with reader, os.fdopen(theirs, "w") as program:
        yield program
        program.write("end\n")
        program.flush()
        output = b""
        while not output.endswith(b"end\r\n"):
            output += os.read(ours, 65_536)
    rows += output.decode().splitlines()[:-1]


@pytest.mark.parametrize(("columns", "count"), [(60, 3), (40, 4), (0, 2)], ids=["60", "40", "unknown"])
def test_a_report_on_stderr_takes_the_width_of_its_own_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int, count: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    rows = list[str]()
    with _terminal(100, []) as out, _terminal(columns, rows) as err, redirect_stdout(out), redirect_stderr(err):
        echo_report(_LINE, indent=4, err=True)
    assert len(rows) == count
    assert max(map(len, rows)) <= (columns or 80)


def test_the_variable_columns_overrides_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    rows = list[str]()
    with _terminal(100, rows) as out, redirect_stdout(out):
        echo_report(_LINE)
    assert max(map(len, rows)) <= 50
