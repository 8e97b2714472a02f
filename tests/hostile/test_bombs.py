"""Recipients files that unpack to gigabytes, crash their reader or hang are refused in one line; no reader remains."""

import re
import signal
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pyarrow as arrow
import pytest
from pyarrow import parquet

from producers.errors import InputInvalid
from producers.recipients import Chunk, open_recipients
from producers.recipients.reader import process as reader
from producers.recipients.reader.limits import ReaderLimits
from tests.kit.process_guard import allowing_processes
from tests.kit.workbook import write_workbook

LIMITS = ReaderLimits(max_unpacked_mb=500, max_reader_memory_mb=250, max_reader_s=30)
MAX_OWN_MB = 100
SHEET = "xl/worksheets/sheet1.xml"
SHEET_START = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
ROWS = '<row r="1"><c r="A1" t="inlineStr"><is><t>to</t></is></c></row><row r="2"><c r="A2"><v>98</v></c></row>'
STRINGS, STYLES = "xl/sharedStrings.xml", "xl/styles.xml"
RELATIONS = b"".join(
    b'<Relationship Id="more%d" Target="%b.xml" '
    b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/%b"/>' % (number, kind, kind)
    for number, kind in enumerate((b"sharedStrings", b"styles"))
)
"""Relations of the workbook to both parts that other cells share."""
ODS_START = (
    "<office:document-content xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' "
    "xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0' "
    "xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0'><office:body><office:spreadsheet>"
    "<table:table table:name='S'><table:table-row><table:table-cell><text:p>to</text:p></table:table-cell>"
    "</table:table-row>"
)


def _sheet(path: Path, pieces: list[bytes], *, part: str = SHEET) -> Path:
    """Write a workbook whose sheet, or another part, consists of these pieces."""
    plain = write_workbook(path.with_name("plain.xlsx"), [("to",), ("98",)])
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            if name != part:
                archive.writestr(name, source.read(name).replace(b"</Relationships>", RELATIONS + b"</Relationships>"))
        with archive.open(part, "w", force_zip64=True) as file:
            for piece in pieces:
                file.write(piece)
    return path


def far_column(folder: Path) -> Path:
    cell = '<row r="3"><c r="ZZZZZZZ3"><v>1</v></c></row></sheetData></worksheet>'
    return _sheet(folder / "a.xlsx", [(SHEET_START + ROWS + cell).encode()])


def large_sheet(folder: Path) -> Path:
    return _sheet(folder / "a.xlsx", [(SHEET_START + ROWS).encode(), *[b" " * 10_000_000] * 60])


def lying_sizes(folder: Path) -> Path:
    """Return a workbook that states one kilobyte for a sheet that unpacks to 100 megabytes."""
    path = _sheet(folder / "a.xlsx", [(SHEET_START + ROWS).encode(), *[b" " * 10_000_000] * 10])
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(SHEET.encode()))
    content[entry + 24 : entry + 28] = struct.pack("<I", 1_000)
    path.write_bytes(content)
    return path


def nested(folder: Path) -> Path:
    """Return a workbook whose sheet contains another workbook."""
    return _sheet(folder / "a.xlsx", [large_sheet(folder).read_bytes()])


def many_parts(folder: Path) -> Path:
    path = write_workbook(folder / "a.xlsx", [("to",), ("98",)])
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(10_001):
            archive.writestr(f"p{number}", b"")
    return path


def large_string(folder: Path) -> Path:
    """Return a workbook with a cell of 400 MB, which is less than the limit of unpacked bytes."""
    cell = b'<row r="2"><c r="A2" t="inlineStr"><is><t>'
    end = b"</t></is></c></row></sheetData></worksheet>"
    return _sheet(folder / "a.xlsx", [(SHEET_START + ROWS).encode(), cell, *[b"a" * 10_000_000] * 40, end])


def many_strings(folder: Path) -> Path:
    """Return a workbook with 20,000,000 shared strings, which none of its two cells uses."""
    pieces = [b"<sst>", *[b"<si><t>a</t></si>" * 100_000] * 200, b"</sst>"]
    return _sheet(folder / "a.xlsx", pieces, part=STRINGS)


def many_runs(folder: Path) -> Path:
    """Return a workbook with a shared string of 20,000,000 pieces."""
    pieces = [b"<sst><si>", *[b"<r><t>a</t></r>" * 100_000] * 200, b"</si></sst>"]
    return _sheet(folder / "a.xlsx", pieces, part=STRINGS)


def many_styles(folder: Path) -> Path:
    """Return a workbook with 20,000,000 cell formats; Excel allows 65,490."""
    pieces = [b"<styleSheet><cellXfs>", *[b'<xf numFmtId="0"/>' * 100_000] * 200, b"</cellXfs></styleSheet>"]
    return _sheet(folder / "a.xlsx", pieces, part=STYLES)


def many_number_formats(folder: Path) -> Path:
    formats = b"".join(b'<numFmt numFmtId="%d" formatCode="0"/>' % number for number in range(100_000))
    return _sheet(folder / "a.xlsx", [b"<styleSheet><numFmts>", formats, b"</numFmts></styleSheet>"], part=STYLES)


def many_column_elements(folder: Path) -> Path:
    """Return a workbook whose sheet describes 2,000,000 columns; Excel allows 16,384."""
    start = SHEET_START.replace("<sheetData>", "")
    pieces = [start.encode(), b"<cols>", *[b'<col min="1" max="1"/>' * 100_000] * 20]
    return _sheet(folder / "a.xlsx", [*pieces, b"</cols><sheetData>", (ROWS + "</sheetData></worksheet>").encode()])


def wide_blanks(folder: Path) -> Path:
    """Return an OpenDocument sheet with a cell of 2,000,000,000 repeated blanks."""
    cell = "<table:table-row><table:table-cell><text:p><text:s text:c='2000000000'/></text:p></table:table-cell>"
    end = "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
    path = folder / "a.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", ODS_START + cell + end)
    return path


def large_parquet(folder: Path) -> Path:
    path = folder / "a.parquet"
    value = "a" * 60_000_000
    table = arrow.table({"to": arrow.array([value] * 10)})
    parquet.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)
    return path


def dictionary_parquet(folder: Path) -> Path:
    """Return a file with a thousand rows that share one value of 3 MB, which the file stores once."""
    path = folder / "a.parquet"
    values = arrow.DictionaryArray.from_arrays(arrow.array([0] * 1_000, arrow.int32()), arrow.array(["a" * 3_000_000]))
    parquet.write_table(arrow.table({"to": values}), path, compression="zstd", write_statistics=False)
    return path


def many_rows(folder: Path) -> Path:
    path = folder / "a.parquet"
    parquet.write_table(arrow.table({"to": arrow.nulls(6_000_000, arrow.string())}), path)
    return path


class Bomb(NamedTuple):
    write: Callable[[Path], Path]
    reason: str
    """A pattern that matches the refusal."""


BOMBS = [
    Bomb(far_column, "is not a workbook, or is damaged"),
    Bomb(large_sheet, "unpacks to 600 MB, and 500 MB are allowed"),
    Bomb(lying_sizes, "is not a workbook, or is damaged"),
    Bomb(nested, "is not a workbook, or is damaged"),
    Bomb(many_parts, "has 10,[0-9]+ parts"),
    Bomb(large_string, "needs more than 250 MB of memory; save it as .csv, or raise max_reader_memory_mb"),
    Bomb(many_strings, "is not a workbook, or is damaged"),
    Bomb(many_runs, "is not a workbook, or is damaged"),
    Bomb(many_styles, "is not a workbook, or is damaged"),
    Bomb(many_number_formats, "is not a workbook, or is damaged"),
    Bomb(many_column_elements, "is not a workbook, or is damaged"),
    Bomb(wide_blanks, "needs more than 250 MB of memory"),
    Bomb(large_parquet, "unpacks to 6[0-9]+ MB, and 500 MB are allowed"),
    Bomb(dictionary_parquet, "needs more than 250 MB of memory"),
    Bomb(many_rows, "has more than 5,000,000 rows; split it"),
]


def _readers() -> list[psutil.Process]:
    """Return the running readers that this process has started."""
    return [child for child in psutil.Process().children() if reader.CHILD in child.cmdline()]


def _refusal(rows: Iterator[Chunk]) -> str:
    """Read the remaining rows, and return the only line of the refusal that ends the reading."""
    with pytest.raises(InputInvalid) as invalid:
        for _ in rows:
            pass
    (line,) = str(invalid.value).splitlines()
    return line


@pytest.fixture(autouse=True)
def reader_program() -> Iterator[None]:
    """Start the program of the reader also in ``make fast``, because its limits and its environment are tested."""
    with allowing_processes():
        yield


def _rows(path: Path, limits: ReaderLimits) -> Iterator[Chunk]:
    yield from open_recipients(path, limits=limits).chunks()


@pytest.mark.slow  # unpacking hundreds of megabytes takes seconds
@pytest.mark.parametrize("bomb", BOMBS, ids=[bomb.write.__name__ for bomb in BOMBS])
def test_a_file_that_unpacks_to_too_much_is_refused_in_one_line(bomb: Bomb, tmp_path: Path) -> None:
    path = bomb.write(tmp_path)
    before = psutil.Process().memory_info().rss
    began = time.monotonic()
    line = _refusal(_rows(path, LIMITS))
    seconds = time.monotonic() - began
    own_mb = (psutil.Process().memory_info().rss - before) // 1_000_000
    name = bomb.write.__name__
    print(f"{name}: {path.stat().st_size:,} bytes, {seconds:.1f} s, {own_mb} MB more in the command: {line}")  # noqa: T201  # the figure
    assert line.startswith(f"{path}: ")
    assert re.search(bomb.reason, line)
    assert seconds < LIMITS.max_reader_s
    assert own_mb < MAX_OWN_MB
    assert _readers() == []


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (signal.SIGKILL, "its reader was killed (SIGKILL), probably because the memory ran out; save it as .csv"),
        (signal.SIGABRT, "its reader was killed (SIGABRT), probably because the memory ran out; save it as .csv"),
        (signal.SIGSEGV, "its reader failed (signal SIGSEGV), so that the file is probably damaged"),
        (
            signal.SIGSTOP,
            "reading it stopped, because its reader was silent for 5 s; save it as .csv, or raise max_reader_s",
        ),
    ],
    ids=["killed", "aborted", "crashed", "hanging"],
)
def test_a_reader_that_dies_or_hangs_ends_in_one_line(sent: signal.Signals, reason: str, tmp_path: Path) -> None:
    path = _long_parquet(tmp_path)
    within_s = 5 if sent is signal.SIGSTOP else 60  # a reader needs a second to start on a busy machine
    rows = open_recipients(path, limits=ReaderLimits(max_reader_s=within_s)).chunks()
    next(rows)
    (child,) = _readers()
    child.send_signal(sent)
    line = _refusal(rows)
    assert line.startswith(f"{path}: {reason}")
    assert _readers() == []


def test_a_pass_that_is_given_up_leaves_no_reader_behind_and_the_next_pass_is_whole(tmp_path: Path) -> None:
    file = open_recipients(_long_parquet(tmp_path))
    file.use({0})
    rows = file.chunks()
    next(rows)
    rows.close()  # type: ignore[attr-defined]  # a generator
    assert _readers() == []
    assert sum(len(chunk.rows) for chunk in file.chunks()) == 100_000
    del file, rows
    assert _readers() == []


@pytest.mark.processes
def test_a_reader_ends_when_its_command_was_killed(tmp_path: Path) -> None:
    path = _long_parquet(tmp_path)
    program = (
        "import sys, time; from pathlib import Path; from producers.recipients import open_recipients\n"
        "file = open_recipients(Path(sys.argv[1])); rows = file.chunks(); next(rows); print('read', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE) as command:
        assert command.stdout
        command.stdout.readline()
        (child,) = psutil.Process(command.pid).children()
        command.kill()
        child.wait(120)


def test_a_reader_has_no_secret_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_ID_KEY", "a-secret-of-the-command")
    monkeypatch.setenv("PGPASSWORD", "a-secret-of-another-program")
    file = open_recipients(write_workbook(tmp_path / "a.xlsx", [("to",), ("98",)]))
    (child,) = _readers()
    assert not [value for value in child.environ().values() if value.startswith("a-secret")]
    assert file.heading.names == ("to",)


def _long_parquet(folder: Path) -> Path:
    path = folder / "a.parquet"
    parquet.write_table(arrow.table({"to": [f"{number:0100}" for number in range(100_000)]}), path)
    return path
