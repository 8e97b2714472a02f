"""The folder of the archive on a disk: below the folder, no link is followed, and only regular files are opened.

Other users may be able to write into the folder. A link would lead a deletion to foreign files, and a pipe would block
a reader for ever. The folder itself may be a link, because the path comes from the settings.
"""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

NOT_RENAMED: Final = ".new"
"""The end of the name of a file that is being written."""
_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = _WRITE | os.O_EXCL
_NO_RIGHTS: Final = frozenset({errno.EACCES, errno.EPERM})
"""The errors of a file that belongs to another user."""
_LEFT_ALONE: Final = _NO_RIGHTS | {errno.ENOENT, errno.EAGAIN, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ETXTBSY}
"""The errors of a file that was renamed or is being written, and of entries that no writer of ours made: a link, a
folder, a socket, a running program, or a file of another user.
"""
_LOCKED: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalStorage:
    """Reads and writes files in the subfolders of one folder. Every method raises OSError."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file whole or not at all; when this method returns, the file is on the disk."""
        with self._opened(folder, makes=True) as at:
            temporary = f"{name}.{secrets.token_hex(8)}{NOT_RENAMED}"
            try:
                with os.fdopen(os.open(temporary, _NEW, _PRIVATE_FILE, dir_fd=at), "wb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)  # the end of this process ends the lock: see ``clean``
                    file.write(content)
                    _to_disk(file)
                    os.replace(temporary, name, src_dir_fd=at, dst_dir_fd=at)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=at)
            os.fsync(at)

    @contextmanager
    def writing(self, folder: str, name: str) -> Iterator[IO[bytes]]:
        """Open a new file, which is on the disk when the block ends without an error."""
        with self._opened(folder, makes=True) as at:
            with os.fdopen(os.open(name, _WRITE, _PRIVATE_FILE, dir_fd=at), "wb") as file:
                yield file
                _to_disk(file)
            os.fsync(at)

    def open(self, folder: str, name: str) -> IO[bytes]:
        """Open a file for reading."""
        with self._opened(folder) as at:
            descriptor = os.open(name, _READ, dir_fd=at)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "is no regular file")
        return os.fdopen(descriptor, "rb")

    def delete(self, folder: str, name: str) -> None:
        """Delete a file; when this method returns, the file's name is removed from the disk."""
        with self._opened(folder) as at:
            os.unlink(name, dir_fd=at)
            os.fsync(at)

    def clean(self, folder: str, *, file: str = "") -> int:
        """Delete unfinished files, whose writers died; return the number of deleted files.

        A file of another user is left alone. If such a file is an unfinished copy of *file*, PermissionError
        is raised.
        """
        cleaned = 0
        with suppress(FileNotFoundError), self._opened(folder) as at:
            for name in sorted(each for each in self._names(at) if each.endswith(NOT_RENAMED)):
                try:
                    # NFS locks only files that are open for writing
                    with os.fdopen(os.open(name, _LOCKED, dir_fd=at), "rb+", buffering=0) as unfinished:
                        fcntl.flock(unfinished, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        os.unlink(name, dir_fd=at)
                    cleaned += 1
                except OSError as error:
                    is_copy = bool(file) and name.startswith(f"{file}.") and error.errno in _NO_RIGHTS
                    if is_copy or error.errno not in _LEFT_ALONE:
                        raise
            if cleaned:
                os.fsync(at)
        return cleaned

    @contextmanager
    def listing(self, folder: str) -> Iterator[Iterator[str]]:
        """Yield the names in a folder, or in the whole archive if *folder* is empty."""
        if not folder:
            with os.scandir(self._root) as entries:
                yield (entry.name for entry in entries)
            return
        with self._opened(folder) as at:
            yield self._names(at)

    def _names(self, at: int) -> Iterator[str]:
        with os.scandir(at) as entries:
            for entry in entries:
                yield entry.name

    @contextmanager
    def _opened(self, folder: str, *, makes: bool = False) -> Iterator[int]:
        """Open a folder, which must not be a link; *makes*: create the folder if it is missing."""
        path = self._root / folder
        if makes:
            path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        at = os.open(path, _FOLDER)
        try:
            yield at
        finally:
            os.close(at)


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
