"""The folder of the archive: a path, or a URL that fsspec knows, such as ``s3://bucket/archive``.

Each campaign has a folder, in which an attempt to archive the campaign has four files: ``OPERATION.key``,
``OPERATION.parquet``, ``OPERATION.numbers`` and ``OPERATION.json``, the manifest. Every call blocks, so callers use
threads.

A foreign writer in the folder must not be able to fill the memory of a reader, or to lead a reader to other files. So
small files and lists are read up to a maximum size, and ``local_storage`` follows no link.
"""

import errno
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from typing import IO, Any, Final, cast

from times_dispatch.archive.errors import ArchiveDamaged, ArchiveUnavailable
from times_dispatch.archive.local_storage import NOT_RENAMED, LocalStorage

KEY: Final = "key"
ROWS: Final = "parquet"
NUMBERS: Final = "numbers"
"""The filter of the numbers in the rows."""
MANIFEST: Final = "json"
MAX_MANIFEST_BYTES: Final = 2_000_000
MAX_SMALL_BYTES: Final = 4_096
"""The maximum size of any other small file: a wrapped key has about 200 bytes, a digest 32."""
MAX_LIST_BYTES: Final = 60_000_000
"""The maximum size of a list of names, which is enough for half a million campaigns."""
_NAME_BYTES: Final = 100
"""Bytes that a listed name takes in addition to its characters."""
_OF_AN_ATTEMPT: Final = re.compile(rf"[0-9a-z]+\.(?:{KEY}|{ROWS}|{NUMBERS}|{MANIFEST})")
_MAX_REASON: Final = 300
_CLIENT_ERRORS: Final = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
    ("aiohttp", "ClientError"),
)
"""Errors of clients of storages that are not of the class OSError, such as a missing login."""
_LOGIN_OR_QUERY: Final = re.compile(r"(?<=//)[^/@\s]+@|\?[^\s\"]+")
"""The secret parts of a URL that an error message of a client may hold: the login and the query."""


class ArchiveFolder:
    """Reads and writes the files of archives; raises ``ArchiveUnavailable`` for each error of the storage."""

    def __init__(self, url: str) -> None:
        """Open a folder, which need not exist yet; raise ``ArchiveUnavailable`` if the kind of storage is unknown."""
        try:
            from fsspec.core import url_to_fs  # noqa: PLC0415  # an extra, which only installations with an archive have
            from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

            self._fs: Any
            self._fs, self._root = url_to_fs(url)
        except ImportError as error:
            raise ArchiveUnavailable(
                f"{_without_login(url)}: the archive needs the package {error.name or error}: "
                "pip install 'times-dispatch[files]', and what fsspec needs for this kind of URL"
            ) from None
        except (ValueError, OSError, TypeError, AttributeError) as error:  # the last two: a part of the URL is missing
            raise ArchiveUnavailable(f"{_without_login(url)}: is no folder that fsspec knows") from error
        self.url = url
        self._local = LocalStorage(self._root) if isinstance(self._fs, LocalFileSystem) else None

    def write(self, archive: str, name: str, content: bytes) -> None:
        """Write a small file whole or not at all; on return the file is on the disk or in the storage."""
        if len(content) > _max_bytes(name):
            raise ArchiveUnavailable(f"archive {archive}: its file {name} would have {len(content):,} bytes")
        with self._refusals(archive, name):
            if self._local:
                self._local.write(archive, name, content)
            else:
                self._making_folders(archive, lambda: self._fs.pipe_file(self._path(archive, name), content))

    def clean(self, archive: str) -> int:
        """Delete unfinished files of a campaign, whose writers died; return the number of deleted files.

        Such a file may hold a wrapped key, with which somebody could read the rows after the archive was erased.
        """
        with self._refusals(archive, ""):
            return self._local.clean(archive) if self._local else 0  # other storages show only whole files

    @contextmanager
    def writing(self, archive: str, name: str) -> Iterator[IO[bytes]]:
        """Open a new file, which is on the disk or in the storage when the block ends without an error."""
        with self._refusals(archive, name):
            if self._local:
                with self._local.writing(archive, name) as file:
                    yield file
                return
            opened = self._making_folders(archive, lambda: self._fs.open(self._path(archive, name), "wb"))
        with closing(_StorageFile(opened, partial(self._refusals, archive, name))) as stored:
            yield cast(IO[bytes], stored)

    def read(self, archive: str, name: str) -> bytes | None:
        """Return a small file; None if there is no such file. Raises ``ArchiveDamaged`` if the file is not small."""
        max_bytes = _max_bytes(name)
        with self._refusals(archive, name):
            try:
                with self._open(archive, name) as file:
                    content = file.read(max_bytes + 1)
            except FileNotFoundError:
                return None
        if len(content) > max_bytes:
            raise ArchiveDamaged(f"archive {archive}: its file {name} has more than {max_bytes:,} bytes")
        return content

    @contextmanager
    def reading(self, archive: str, name: str) -> Iterator[IO[bytes]]:
        """Open a file; raise ``ArchiveDamaged`` if there is no such file."""
        with self._refusals(archive, name):
            try:
                file = self._open(archive, name)
            except FileNotFoundError:
                raise ArchiveDamaged(f"archive {archive}: its file {name} is missing") from None
            if self._local:
                with file:
                    yield file
                return
        with closing(_StorageFile(file, partial(self._refusals, archive, name))) as stored:
            yield cast(IO[bytes], stored)

    def destroy(self, archive: str, name: str) -> None:
        """Delete a file as ``delete`` does; raise ``ArchiveUnavailable`` if another user's copy of the file is left."""
        self.delete(archive, name)
        with self._refusals(archive, f"a copy of {name}, which a writer that died has left,"):
            if self._local:
                self._local.clean(archive, file=name)

    def delete(self, archive: str, name: str) -> None:
        """Delete a file, if the file exists, and unfinished files that writers of this campaign have left."""
        self.clean(archive)
        with self._refusals(archive, name):
            try:
                if self._local:
                    self._local.delete(archive, name)
                else:
                    self._fs.rm_file(self._path(archive, name))
            except FileNotFoundError:
                return

    def delete_others(self, archive: str, operation: str) -> None:
        """Delete the files of a campaign that attempts other than *operation* have left, and no foreign file."""
        self.clean(archive)
        for name in self.names(archive):
            if _OF_AN_ATTEMPT.fullmatch(name) and not name.startswith(f"{operation}."):
                self.delete(archive, name)

    def names(self, archive: str) -> list[str]:
        """Return the names of all files of a campaign, sorted; raise ``ArchiveDamaged`` if there are too many names."""
        return [name for name in self._list(archive) if not name.endswith(NOT_RENAMED)]

    @property
    def shown(self) -> str:
        """The folder without a login, for messages."""
        return _without_login(self.url)

    def is_empty(self) -> bool:
        """Say whether the folder is empty or missing: in both cases the storage may not be mounted."""
        with self._refusals("", ""):
            try:
                with self._listing("") as names:
                    return not any(True for _ in names)
            except FileNotFoundError:
                return True

    def archives(self) -> list[str]:
        """Return the names of all archives in the folder, sorted; raise ``ArchiveDamaged`` as ``names`` does."""
        return self._list("")

    def _list(self, archive: str) -> list[str]:
        names, left = list[str](), MAX_LIST_BYTES
        with self._refusals(archive, ""):
            try:
                with self._listing(archive) as listed:
                    for name in listed:
                        names.append(name)
                        left -= len(name) + _NAME_BYTES
                        if left < 0:
                            where = f"archive {archive}" if archive else _without_login(self.url)
                            raise ArchiveDamaged(f"{where}: has more than {len(names) - 1:,} names")
            except FileNotFoundError:
                return []
        return sorted(names)

    @contextmanager
    def _listing(self, archive: str) -> Iterator[Iterable[str]]:
        if self._local:
            with self._local.listing(archive) as names:
                yield names
            return
        self._fs.invalidate_cache()
        paths: list[str] = self._fs.ls(self._path(archive, ""), detail=False)
        yield (path.rstrip("/").rpartition("/")[2] for path in paths)

    def _making_folders(self, archive: str, write: Callable[[], Any]) -> Any:
        """Return the result of a call that writes; if a folder is missing, make the folders, and call again.

        Some storages have folders, such as SFTP and SMB. In a storage of objects only a bucket can be missing: a path
        without a slash is never made, because a bucket with a mistyped name must not be made.
        """
        try:
            return write()
        except OSError as error:
            if not isinstance(error, FileNotFoundError) and error.errno != errno.ENOENT:
                raise
        for folder in (self._root, self._path(archive, "")):
            if "/" in folder and not self._fs.exists(folder):
                with suppress(FileExistsError):
                    self._fs.mkdir(folder, create_parents=False)
        return write()

    def _open(self, archive: str, name: str) -> IO[bytes]:
        if self._local:
            return self._local.open(archive, name)
        return cast("IO[bytes]", self._fs.open(self._path(archive, name), "rb"))

    def _path(self, archive: str, name: str) -> str:
        return f"{self._root}/{archive}/{name}".rstrip("/")

    @contextmanager
    def _refusals(self, archive: str, name: str) -> Iterator[None]:
        """Turn errors of the storage into ``ArchiveUnavailable``, whose message has no login."""
        try:
            yield
        except _storage_errors() as error:
            where = f"{_without_login(self.url)}: {archive}/{name}".rstrip("/: ")
            raise ArchiveUnavailable(f"{where}: {_reason(error)}") from error


def _max_bytes(name: str) -> int:
    return MAX_MANIFEST_BYTES if name.endswith(f".{MANIFEST}") else MAX_SMALL_BYTES


class _StorageFile:
    """An open file of a storage; each call turns errors of the storage into ``ArchiveUnavailable``."""

    def __init__(self, file: Any, refusals: Callable[[], AbstractContextManager[None]]) -> None:
        self._file = file
        self._refusals = refusals

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._file, name)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._refusals():
                return attribute(*args, **kwargs)

        return call

    def close(self) -> None:
        with self._refusals():
            self._file.close()


def _storage_errors() -> tuple[type[Exception], ...]:
    """Return the classes of the errors that the disk and the loaded clients of storages raise."""
    loaded = [(sys.modules.get(module), name) for module, name in _CLIENT_ERRORS]
    return OSError, *(getattr(module, name) for module, name in loaded if module)


def _reason(error: Exception) -> str:
    """Return in one line why a call failed, without a login or a signature that the client's message may hold."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "is a link"  # the message of the system would be "too many levels of symbolic links"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    words = str(error).partition("\n")[0][:_MAX_REASON] or type(error).__name__
    return _LOGIN_OR_QUERY.sub("", words)


def _without_login(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
