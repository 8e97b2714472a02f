"""Endless or huge lines, cells and columns in CSV and JSON Lines cost bounded memory and time."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

MAX_MB = 300
MAX_CPU_S = 20.0
MIB = 1024 * 1024
READ = """
import sys, time
from pathlib import Path
from producers.errors import InputInvalid
from producers.recipients import open_recipients
from tests.kit.process_memory import peak_mb
rows, reason = 0, "read"
try:
    file = open_recipients(Path(sys.argv[1]))
    file.use({0})
    for chunk in file.chunks():
        rows += len(chunk.rows) + len(chunk.broken)
except InputInvalid as refused:
    reason = str(refused.mistakes[0])
import os
print(f"{peak_mb(os.getpid()):.0f}\\t{time.process_time():.1f}\\t{rows}\\t{reason[:200]}")
"""


def repeated(begin: bytes, piece: bytes, mib: int, end: bytes = b"") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        block = piece * (MIB // len(piece))
        with path.open("wb") as file:
            file.write(begin)
            for _ in range(mib):
                file.write(block)
            file.write(end)

    return write


def lines(first: bytes, line: Callable[[int], bytes], count: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(first)
            file.writelines(line(number) for number in range(count))

    return write


BELOW = 3_900_000
"""The size of a line just below the bound, in bytes."""
FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "CSV whose first line has no end": ("csv", repeated(b"to,", b"x", 500)),
    "CSV whose second line has no end": ("csv", repeated(b"to,name\n9876543210,", b"x", 500)),
    "CSV whose quote is never closed": ("csv", repeated(b'to,name\n9876543210,"', b"x\n", 500)),
    "CSV of quotes": ("csv", repeated(b"to,name\n", b'"', 200)),
    "CSV of commas": ("csv", repeated(b"to,name\n", b",", 200)),
    "CSV of columns": ("csv", repeated(b"to", b",x", 100, b"\n9876543210\n")),
    "CSV of empty lines": ("csv", repeated(b"to,name\n", b"\n", 5)),
    "CSV of cells of line breaks": ("csv", repeated(b"to,name\n", b'"a\n",', 200)),
    "CSV of NULs": ("csv", repeated(b"to,name\n", b"\0", 200)),
    "CSV of carriage returns": ("csv", repeated(b"to,name\n", b"\r", 5)),
    "JSON Lines whose first line has no end": ("jsonl", repeated(b'{"to":"9876543210","x":"', b"x", 500)),
    "JSON Lines with a deep document": ("jsonl", repeated(b'{"to":"9876543210"}\n{"to":', b"[", 200)),
    "JSON Lines of columns": ("jsonl", repeated(b'{"to":"9876543210"', b',"x":1', 50, b"}\n")),
    "JSON Lines of digits": ("jsonl", repeated(b'{"to":', b"9", 200, b"}\n")),
    "CSV of rows at the bound": ("csv", lines(b"to,name\n", lambda _: b"ab," * (BELOW // 3) + b"\n", 20)),
    "CSV of blanks at quotes at the bound": ("csv", lines(b"to,name\n", lambda _: b'"a" ,' * (BELOW // 5) + b"\n", 5)),
    "CSV of columns at the bound": ("csv", lines(b"to" + b",x" * 16_383 + b"\n", lambda _: b"9876543210\n", 5_000)),
    "JSON Lines of deep documents at the bound": ("jsonl", lines(b'{"to":"9"}\n', lambda _: b"[" * BELOW + b"\n", 20)),
    "JSON Lines of digits at the bound": ("jsonl", lines(b"", lambda _: b'{"to":' + b"9" * BELOW + b"}\n", 5)),
    "JSON Lines of new columns": ("jsonl", lines(b'{"to":"9"}\n', lambda number: b'{"c%d":"x"}\n' % number, 1_000_000)),
    "JSON Lines of a row of columns": (
        "jsonl",
        lines(b'{"to":"9"}\n', lambda _: b"{" + b",".join(b'"%d":1' % each for each in range(300_000)) + b"}\n", 20),
    ),
    "JSON Lines of empty objects": ("jsonl", repeated(b'{"to":"9876543210"}\n', b"{}\n", 5)),
}


@pytest.mark.slow  # the files have hundreds of megabytes
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_text_neither_fills_nor_holds_a_command(name: str, tmp_path: Path) -> None:
    ending, write = FILES[name]
    path = tmp_path / f"a.{ending}"
    write(path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", READ, path], capture_output=True, text=True, check=False, timeout=300
        )
    finally:
        size = path.stat().st_size
        path.unlink()
    assert done.returncode == 0, done.stderr[-2_000:]
    peak, seconds, rows, reason = done.stdout.rstrip("\n").split("\t")
    print(f"{name}, {size // MIB} MiB: {peak} MB, {seconds} s of CPU, {rows} rows: {reason}")  # noqa: T201  # the figure
    assert float(peak) < MAX_MB
    assert float(seconds) < MAX_CPU_S
