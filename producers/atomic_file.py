"""A text file that is written whole or not at all, and replaces an older file of its owner in one step."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from producers.errors import CommandFailed


class AtomicFile:
    """A file that gets its path when ``keep`` is called; until then an older file keeps its content.

    Only its owner can read the file. The file never replaces a link, a file of another user, or anything else that is
    not a regular file, because in a shared folder another user may have made such a path.
    """

    def __init__(self, path: Path, *, encoding: str = "utf-8", any_owner: bool = False) -> None:
        """Create a temporary file beside the path.

        Args:
            path: the path that the file will have.
            encoding: the encoding of the file; line ends are written unchanged.
            any_owner: whether the file may replace a file of another user.

        Raises:
            OSError: the file cannot be created, or the path cannot be replaced.
        """
        self._path = path
        self._any_owner = any_owner
        self._refuse_what_is_not_ours()
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        self.temporary = Path(name)
        """The path of the temporary file, until ``keep`` renames the file."""
        self.file: TextIO = os.fdopen(handle, "w", encoding=encoding, newline="")
        """The open temporary file, for text or, through ``file.buffer``, for bytes."""

    def keep(self) -> None:
        """Write all content to disk and give the file its path; raise OSError if either step fails."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._refuse_what_is_not_ours()
        self.temporary.replace(self._path)

    def discard(self) -> None:
        """Remove the temporary file, unless the file was kept."""
        self.file.close()
        self.temporary.unlink(missing_ok=True)

    def _refuse_what_is_not_ours(self) -> None:
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, "it is a link; name the file itself")
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EEXIST, "it is not a regular file")
        if status.st_uid != os.geteuid() and not self._any_owner:
            raise OSError(errno.EPERM, "it belongs to another user")


@contextlib.contextmanager
def open_atomic(path: Path, *, encoding: str = "utf-8", world_readable: bool = False) -> Iterator[TextIO]:
    """Open a file for writing, line ends unchanged; the file gets its path when the block ends without error.

    Args:
        path: path of the file; an older file keeps its content until the block ends.
        encoding: the encoding of the file.
        world_readable: keep the permissions of an older file, or let everybody read a new one. By default only the
            owner can read the file, and a file of another user is not replaced.

    Raises:
        CommandFailed: the file cannot be written, or the path is a link or belongs to somebody else.
    """
    try:
        atomic = AtomicFile(path, encoding=encoding, any_owner=world_readable)
        try:
            yield atomic.file
            if world_readable:
                atomic.temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
            atomic.keep()
        finally:
            atomic.discard()
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {(error.strerror or 'unknown reason').lower()}") from None
