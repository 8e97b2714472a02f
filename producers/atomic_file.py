"""A file that appears whole or not at all, and replaces an older one in one step."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from producers.errors import CommandFailed


@contextlib.contextmanager
def whole_file(path: Path, *, for_everybody: bool = False) -> Iterator[TextIO]:
    """Open a text file for writing, UTF-8, line ends as they are written; it is there when the block ends well.

    Only its owner can read it; for_everybody, it may be read by all, or by whom the older one let read it.
    Raises CommandFailed if it cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if for_everybody:
                temporary.chmod(path.stat().st_mode if path.exists() else 0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {(error.strerror or 'unknown reason').lower()}") from None
