"""The command's side of a workbook or Parquet file, which a child process reads within limits."""

import importlib.util
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import msgspec

from producers.errors import InputInvalid
from producers.recipients.file import BrokenRow, Chunk
from producers.recipients.heading import Heading
from producers.recipients.reader.limits import MEGABYTE, ReaderLimits
from producers.recipients.reader.messages import (
    LENGTH,
    MAX_FRAME_BYTES,
    Crashed,
    Ended,
    MemorySpent,
    Open,
    Opened,
    Read,
    Refused,
    Request,
    Response,
    Rows,
    Use,
    Used,
    packed,
    read_response,
)

ResponseT = TypeVar("ResponseT", bound=Response)

_ROOT = Path(__file__).parents[3]
CHILD = "producers.recipients.reader.child"
"""The module that the child process runs."""
_READ_BYTES = 1 << 20
_ENDS_WITHIN_S = 5.0


class ReaderProcess:
    """A recipients file that a child process reads; each refusal is one line, even if the child dies.

    The child lives as long as this object, so that the file is not opened again for a second pass over the rows. A pass
    that is closed before its end also ends the child, and the next pass starts another child.
    """

    def __init__(self, path: Path, *, hint: str, limits: ReaderLimits) -> None:
        """Open the file.

        Args:
            path: path of the file.
            hint: the name of a probable column.
            limits: the memory and time that reading may take.

        Raises:
            InputInvalid: the file cannot be used, or needs more memory or time than the limits allow.
        """
        if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
            raise InputInvalid(
                f"{path}: reading Parquet needs pyarrow: pip install 'times-dispatch[files]', or save it as CSV"
            )
        self._path = path
        self._hint = hint
        self._limits = limits
        self._used: list[int] | None = None
        self._fraction = 0.0
        self._idle: _Child | None = None
        child, opened = self._open()
        self._idle = child
        self.heading = Heading(path, opened.line, opened.names)
        self._source = opened.source
        self._left_out = opened.left_out

    def use(self, columns: Collection[int]) -> None:
        """Name the columns whose cells are needed; raise InputInvalid if their values cannot become texts."""
        used = sorted(columns)
        child = self._take()
        child.ask(Use(used), Used)
        self._used = used
        self._idle = child

    @property
    def source(self) -> str:
        """The source of the rows, in words."""
        return self._source

    def left_out(self) -> list[str]:
        """Return notes about sheets and rows of the file that are not read."""
        return self._left_out

    def fraction(self) -> float:
        """Return how much of the file has been read, from 0 to 1."""
        return self._fraction

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows from the first; closing the generator before the last row ends the child."""
        child = self._take()
        self._fraction = 0.0
        is_whole = False
        try:
            child.send(Read())
            while isinstance(message := child.receive_rows(), Rows):
                self._fraction = message.fraction
                broken = [BrokenRow(*row) for row in message.broken]
                damaged = {(row, column): reason for row, column, reason in message.damaged}
                yield Chunk(message.lines, message.rows, broken, damaged)
            self._left_out = message.left_out
            self._fraction = 1.0
            is_whole = True
        finally:
            if is_whole:
                self._idle = child
            else:
                child.end()

    def _take(self) -> "_Child":
        """Return a child that has opened the file and waits for a request."""
        child, self._idle = self._idle, None
        if child is None:
            child, _ = self._open()
            if self._used is not None:
                child.ask(Use(self._used), Used)
        return child

    def _open(self) -> "tuple[_Child, Opened]":
        child = _Child(self._path, self._limits)
        return child, child.ask(Open(os.fsencode(self._path), self._hint, self._limits), Opened)


class _Child:
    """A started child. The child ends after a request that it refuses or that crashes it."""

    def __init__(self, path: Path, limits: ReaderLimits) -> None:
        self._path = path
        self._limits = limits
        self._process = subprocess.Popen(  # noqa: S603  # this project's own program
            [sys.executable, "-B", "-P", "-m", CHILD],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self.end = weakref.finalize(self, _end, self._process)
        assert self._process.stdout  # noqa: S101  # asked for above
        self._out = self._process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)

    def ask(self, request: Request, expected: type[ResponseT]) -> ResponseT:
        """Send a request, and return its response of this type. Raises InputInvalid if the child refuses."""
        self.send(request)
        response = self._receive()
        if not isinstance(response, expected):
            self._refuse_dead()
        return response

    def receive_rows(self) -> Rows | Ended:
        """Return the next rows. Raises InputInvalid if the child refuses."""
        response = self._receive()
        if not isinstance(response, Rows | Ended):
            self._refuse_dead()
        return response

    def send(self, request: Request) -> None:
        """Send a request. Raises InputInvalid if the child is dead."""
        assert self._process.stdin  # noqa: S101  # asked for above
        try:
            self._process.stdin.write(packed(request))
        except BrokenPipeError:
            self._refuse_dead()

    def _receive(self) -> Response:
        """Return the next response; raise InputInvalid if the response ends the child, or if no response comes."""
        deadline = time.monotonic() + self._limits.max_reader_s
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if length > MAX_FRAME_BYTES:
            self._refuse(f"has a row of {length // MEGABYTE:,} MB; save it as .csv without long cells")
        try:
            response = read_response(self._read(length, deadline))
        except msgspec.MsgspecError:
            self._refuse_dead()
        if isinstance(response, Refused):
            self.end()
            raise InputInvalid(*response.mistakes)
        if isinstance(response, MemorySpent):
            self._refuse_large()
        if isinstance(response, Crashed):
            self._refuse_dead(response.error)
        return response

    def _read(self, count: int, deadline: float) -> bytearray:
        read = bytearray()
        while len(read) < count:
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self._refuse(
                    f"reading it stopped, because its reader was silent for {self._limits.max_reader_s:g} s; "
                    "save it as .csv, or raise max_reader_s in [recipients] of dispatch.toml"
                )
            piece = os.read(self._out, min(count - len(read), _READ_BYTES))
            if not piece:
                self._refuse_dead()
            read += piece
        return read

    def _refuse_large(self) -> NoReturn:
        self._refuse(
            f"reading it needs more than {self._limits.max_reader_memory_mb:,} MB of memory; "
            "save it as .csv, or raise max_reader_memory_mb in [recipients] of dispatch.toml"
        )

    def _refuse_dead(self, error: str = "") -> NoReturn:
        """Refuse the file because its reader died or sent an invalid response."""
        if not error:
            code = self._wait()
            if code in (-signal.SIGKILL, -signal.SIGABRT):
                self._refuse(
                    f"its reader was killed ({signal.Signals(-code).name}), probably because the memory ran out; "
                    "save it as .csv"
                )
            error = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._refuse(
            f"its reader failed ({error}), so that the file is probably damaged; "
            "open it in a spreadsheet program and save it as .csv"
        )

    def _wait(self) -> int:
        """Return the child's exit code; end the child if it does not end by itself."""
        try:
            return self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.end()
            return self._process.returncode

    def _refuse(self, reason: str) -> NoReturn:
        self.end()
        raise InputInvalid(f"{self._path}: {reason}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a child, and wait for it, so that no process is left behind."""
    process.kill()
    with process:
        pass


_PASSED_ON: Final = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH"})
"""The environment variables that a child gets; any other variable may hold a secret."""


def _environment() -> dict[str, str]:
    """Return the environment of the child: the variables that a program needs, and the folder of this project."""
    variables = {
        name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(("LC_", "PYTHON"))
    }
    paths = [str(_ROOT), *filter(None, [variables.get("PYTHONPATH")])]
    # pyarrow's own memory pools never return memory, and its threads need memory for their stacks.
    arrow = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"}
    return {**variables, **arrow, "PYTHONPATH": os.pathsep.join(paths)}
