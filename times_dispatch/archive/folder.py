"""The folder of the archive: a path, or a URL that fsspec knows, such as ``s3://bucket/archive``.

A campaign has a folder of its own, and an attempt to archive it has three files in there: ``OPERATION.key``,
``OPERATION.parquet`` and ``OPERATION.json``, the manifest. Every call blocks, so callers use threads.
"""

import fcntl
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, cast

from times_dispatch.archive.errors import ArchiveDamaged, ArchiveUnavailable

KEY: Final = "key"
ROWS: Final = "parquet"
MANIFEST: Final = "json"
_NOT_RENAMED: Final = ".new"
"""The end of the name of a file that is being written."""
_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_MAX_REASON: Final = 300
_CLIENT_ERRORS: Final = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
    ("aiohttp", "ClientError"),
)
"""Errors of the clients of storages that are no OSError, such as a missing login."""
_LOGIN_OR_QUERY: Final = re.compile(r"(?<=//)[^/@\s]+@|\?[^\s\"]+")
"""What the words of a client may show of a URL that nobody should see."""


class ArchiveFolder:
    """Reads and writes the files of archives; raises ``ArchiveUnavailable`` for whatever the storage refuses."""

    def __init__(self, url: str) -> None:
        """Open a folder, which need not exist yet; raise ``ArchiveUnavailable`` if its kind of storage is unknown."""
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
        except (ValueError, OSError) as error:
            raise ArchiveUnavailable(f"{_without_login(url)}: is no folder that fsspec knows") from error
        self.url = url
        self._is_local = isinstance(self._fs, LocalFileSystem)

    def write(self, archive: str, name: str, content: bytes) -> None:
        """Write a small file whole or not at all; when this returns, the file is on the disk or in the storage."""
        with self._refusals(archive, name):
            if not self._is_local:
                self._fs.pipe_file(self._path(archive, name), content)
                return
            path = self._make_folder(archive) / name
            temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_NOT_RENAMED}")
            try:
                with open(temporary, "wb", opener=_private) as file:  # the opener makes the file private
                    fcntl.flock(file, fcntl.LOCK_EX)  # the end of this process ends the lock: see ``clean``
                    file.write(content)
                    _to_disk(file)
                    temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            _to_disk_folder(path.parent)

    def clean(self, archive: str) -> int:
        """Delete files of a campaign whose writer died before the file had its name; return how many.

        Such a file may hold a wrapped key, with which the rows could be read after the archive was erased.
        """
        cleaned = 0
        with self._refusals(archive, ""):
            if not self._is_local:
                return 0  # a storage shows a file when it is whole
            folder = Path(self._root) / archive
            for path in sorted(folder.glob(f"*{_NOT_RENAMED}")):
                with (
                    suppress(FileNotFoundError, BlockingIOError),
                    path.open("rb+") as file,
                ):  # NFS locks what may be written only
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    cleaned += 1
            if cleaned:
                _to_disk_folder(folder)
        return cleaned

    @contextmanager
    def writing(self, archive: str, name: str) -> Iterator[IO[bytes]]:
        """Open a new file, which is on the disk or in the storage when the block ends without an error."""
        with self._refusals(archive, name):
            if not self._is_local:
                opened = self._fs.open(self._path(archive, name), "wb")
            else:
                path = self._make_folder(archive) / name
                with open(path, "wb", opener=_private) as file:  # as above
                    yield file
                    _to_disk(file)
                _to_disk_folder(path.parent)
                return
        with closing(_StorageFile(opened, partial(self._refusals, archive, name))) as stored:
            yield cast(IO[bytes], stored)

    def read(self, archive: str, name: str) -> bytes | None:
        """Return a small file; None if there is no such file."""
        with self._refusals(archive, name):
            try:
                content: bytes = self._fs.cat_file(self._path(archive, name))
            except FileNotFoundError:
                return None
            return content

    @contextmanager
    def reading(self, archive: str, name: str) -> Iterator[IO[bytes]]:
        """Open a file; raise ``ArchiveDamaged`` if there is no such file."""
        with self._refusals(archive, name):
            try:
                file = self._fs.open(self._path(archive, name), "rb")
            except FileNotFoundError:
                raise ArchiveDamaged(f"archive {archive}: its file {name} is missing") from None
            if self._is_local:
                with file:
                    yield file
                return
        with closing(_StorageFile(file, partial(self._refusals, archive, name))) as stored:
            yield cast(IO[bytes], stored)

    def delete(self, archive: str, name: str) -> None:
        """Delete a file, if there is such a file, and copies that writers of this campaign have left."""
        self.clean(archive)
        with self._refusals(archive, name):
            try:
                self._fs.rm_file(self._path(archive, name))
            except FileNotFoundError:
                return
            if self._is_local:
                _to_disk_folder(Path(self._root) / archive)

    def delete_others(self, archive: str, operation: str) -> None:
        """Delete the files of a campaign that another attempt than this one has left."""
        self.clean(archive)
        for name in self.names(archive):
            if not name.startswith(f"{operation}."):
                self.delete(archive, name)

    def names(self, archive: str) -> list[str]:
        """Return the names of all files of a campaign, sorted."""
        with self._refusals(archive, ""):
            self._fs.invalidate_cache()
            try:
                paths: list[str] = self._fs.ls(self._path(archive, ""), detail=False)
            except FileNotFoundError:
                return []
            names = [path.rpartition("/")[2] for path in paths]
            return sorted(name for name in names if not name.endswith(_NOT_RENAMED))

    def archives(self) -> list[str]:
        """Return the names of all archives in the folder, sorted."""
        with self._refusals("", ""):
            self._fs.invalidate_cache()
            try:
                paths: list[str] = self._fs.ls(self._root, detail=False)
            except FileNotFoundError:
                return []
            return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def _path(self, archive: str, name: str) -> str:
        return f"{self._root}/{archive}/{name}".rstrip("/")

    def _make_folder(self, archive: str) -> Path:
        folder = Path(self._root) / archive
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        return folder

    @contextmanager
    def _refusals(self, archive: str, name: str) -> Iterator[None]:
        """Turn what the storage refuses into one error, whose message has no login."""
        try:
            yield
        except _storage_errors() as error:
            where = f"{_without_login(self.url)}: {archive}/{name}".rstrip("/: ")
            raise ArchiveUnavailable(f"{where}: {_reason(error)}") from error


class _StorageFile:
    """An open file of a storage; each of its calls turns what the storage refuses into one error."""

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
    """Return why a call failed, in one line; clients may put a login or a signature into their words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    words = str(error).partition("\n")[0][:_MAX_REASON] or type(error).__name__
    return _LOGIN_OR_QUERY.sub("", words)


def _without_login(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, _PRIVATE_FILE)  # a link there was put by somebody else


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _to_disk_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
