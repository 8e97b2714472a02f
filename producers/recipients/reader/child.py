"""The program that reads a workbook or Parquet file: requests come in by stdin, responses go out by stdout.

The program limits its own memory before it opens the file. It writes no file and has no secret in its environment. It
ends when its stdin ends, because the command that started it has then ended.
"""

import os
import queue
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from producers.errors import InputInvalid
from producers.recipients.file import Chunk, RecipientsFile
from producers.recipients.formats import open_format
from producers.recipients.reader.archive import too_many_rows
from producers.recipients.reader.limits import MEGABYTE, ReaderLimits
from producers.recipients.reader.messages import (
    LENGTH,
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
    read_request,
)

_MAX_CELLS = 100_000
"""The limit of cells for a message, because a table may have thousands of columns."""
_MAX_MESSAGE_BYTES = 8_000_000
"""The limit of bytes for a message; a longer message is sent as two."""
_MEMORY_SPENT = packed(MemorySpent())
"""The packed response for spent memory, made in advance, because packing takes memory."""


class _Pipe:
    """Sends responses to the command as whole messages."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, response: Response) -> None:
        self.send_packed(packed(response))

    def send_packed(self, message: bytes) -> None:
        rest = memoryview(message)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except BrokenPipeError:
            os._exit(0)


class _Rows:
    """Sends chunks in messages of a bounded size."""

    def __init__(self, pipe: _Pipe, file: RecipientsFile) -> None:
        self._pipe = pipe
        self._file = file
        self._max_rows = max(1, _MAX_CELLS // max(1, len(file.heading)))

    def send(self, chunk: Chunk) -> None:
        broken = [(line, reason, list(cells)) for line, reason, cells in chunk.broken]
        damaged = [(row, column, reason) for (row, column), reason in chunk.damaged.items()]
        rows: list[list[str]] = list(chunk.rows)  # type: ignore[arg-type]  # tuples are packed like lists
        if len(rows) <= self._max_rows:
            self._send(list(chunk.lines), rows, broken, damaged)
            return
        for first in range(0, len(rows), self._max_rows):
            end = first + self._max_rows
            own = [(row - first, column, reason) for row, column, reason in damaged if first <= row < end]
            self._send(list(chunk.lines[first:end]), rows[first:end], broken if not first else [], own)

    def _send(
        self,
        lines: list[int],
        rows: list[list[str]],
        broken: list[tuple[int, str, list[str]]],
        damaged: list[tuple[int, int, str]],
    ) -> None:
        message = packed(Rows(lines, rows, broken, damaged, self._file.fraction()))
        if len(message) <= _MAX_MESSAGE_BYTES or len(rows) < 2:
            self._pipe.send_packed(message)
            return
        half = len(rows) // 2
        before = [cell for cell in damaged if cell[0] < half]
        after = [(row - half, column, reason) for row, column, reason in damaged if row >= half]
        self._send(lines[:half], rows[:half], broken, before)
        self._send(lines[half:], rows[half:], [], after)


def main() -> None:
    """Serve the requests of the command that started this process, until it closes the pipe."""
    pipe = _Pipe(os.dup(1))
    _keep_out_prints()
    sys.excepthook = lambda kind, _error, _traceback: pipe.send(Crashed(kind.__name__))
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    is_memory_spent = False
    try:
        _serve(requests, pipe)
    except InputInvalid as refused:
        pipe.send(Refused(list(refused.mistakes)))
    except MemoryError:
        is_memory_spent = True
    # Here, outside of the except block, the error no longer keeps the objects of the reader alive.
    if is_memory_spent:
        pipe.send_packed(_MEMORY_SPENT)
    os._exit(0)


def _serve(requests: "queue.SimpleQueue[Request]", pipe: _Pipe) -> NoReturn:
    opening = requests.get()
    if not isinstance(opening, Open):
        raise TypeError(opening)
    path = Path(os.fsdecode(opening.path))
    _limit(opening.limits)
    file = open_format(path, hint=opening.hint, limits=opening.limits)
    pipe.send(Opened(list(file.heading.names), file.heading.line, file.source, file.left_out()))
    while True:
        match requests.get():
            case Use(columns):
                try:
                    file.use(columns)
                except InputInvalid as refused:
                    pipe.send(Refused(list(refused.mistakes)))
                else:
                    pipe.send(Used())
            case Read():
                sender = _Rows(pipe, file)
                for chunk in _bounded(path, file, opening.limits):
                    sender.send(chunk)
                pipe.send(Ended(file.left_out()))


def _bounded(path: Path, file: RecipientsFile, limits: ReaderLimits) -> Iterator[Chunk]:
    count = 0
    for chunk in file.chunks():
        count += len(chunk.rows)
        if count > limits.max_rows:
            raise too_many_rows(path, limits)
        yield chunk


def _limit(limits: ReaderLimits) -> None:
    """Limit the memory of this process, and forbid files and core dumps. macOS does not enforce the limit of memory."""
    for kind, most in (
        (resource.RLIMIT_DATA, limits.max_reader_memory_mb * MEGABYTE),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with suppress(ValueError, OSError):  # the process already has a lower limit
            resource.setrlimit(kind, (most, most))


def _keep_out_prints() -> None:
    """Keep output that a library prints out of the pipe for responses."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)


def _receive(requests: "queue.SimpleQueue[Request]") -> None:
    """Pass requests on; end the process at once when the command has ended."""
    stdin = sys.stdin.buffer
    while len(head := stdin.read(LENGTH.size)) == LENGTH.size:
        requests.put(read_request(stdin.read(*LENGTH.unpack(head))))
    os._exit(0)


if __name__ == "__main__":
    main()
