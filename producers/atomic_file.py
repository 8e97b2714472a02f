"""A text file that is written whole or not at all, and replaces an older file in one step."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from producers.errors import CommandFailed


@contextlib.contextmanager
def open_atomic(path: Path, *, world_readable: bool = False) -> Iterator[TextIO]:
    """Open a file for writing in UTF-8, line ends unchanged; it gets its path when the block ends without an error.

    Args:
        path: path of the file; an older file keeps its content until the block ends.
        world_readable: keep the permissions of an older file, or let everybody read a new one. By default only the
            owner can read the file.

    Raises:
        CommandFailed: the file cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if world_readable:
                temporary.chmod(path.stat().st_mode if path.exists() else 0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {(error.strerror or 'unknown reason').lower()}") from None
