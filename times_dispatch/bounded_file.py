"""Reads a file that a person wrote, with a maximum size, and with a time-out for a pipe."""

import os
import select
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 16_000_000
"""Far more than any file of settings or campaigns needs; a device such as /dev/zero has no end."""
PIPE_TIMEOUT_S: Final = 30.0
_PIECE_BYTES: Final = 65_536


def read_bounded(path: Path, *, max_bytes: int = MAX_BYTES, pipe_timeout_s: float = PIPE_TIMEOUT_S) -> bytes:
    """Return the content of a file, or of a pipe, which bash makes of ``<(command)``.

    Args:
        path: the file or pipe.
        max_bytes: the maximum size of the content, in bytes.
        pipe_timeout_s: how long a pipe may send nothing, in seconds.

    Raises:
        OSError: the path cannot be read, the content is too long, or a pipe sends nothing for too long.
    """
    # Without O_NONBLOCK, opening a named pipe blocks until another process opens the pipe for writing.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        content = bytearray()
        while piece := _read_piece(descriptor, pipe_timeout_s):
            content += piece
            if len(content) > max_bytes:
                raise OSError(0, f"it has more than {max_bytes:,} bytes")
        return bytes(content)
    finally:
        os.close(descriptor)


def read_bounded_text(path: Path) -> str:
    """Return the content of a file in UTF-8, with line feeds as line ends; raise OSError or UnicodeDecodeError."""
    return read_bounded(path).decode().replace("\r\n", "\n").replace("\r", "\n")


def _read_piece(descriptor: int, pipe_timeout_s: float) -> bytes:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while poll.poll(pipe_timeout_s * 1000):
        try:
            return os.read(descriptor, _PIECE_BYTES)
        except BlockingIOError:
            continue  # another process read the pipe
    raise OSError(0, f"it is a pipe that gave nothing for {pipe_timeout_s:g} s")
