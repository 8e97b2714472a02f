import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from times_dispatch.archive.errors import ArchiveDamaged, ArchiveUnavailable
from times_dispatch.archive.folder import ArchiveFolder


@pytest.fixture(params=["local", "memory", "folders"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ArchiveFolder:
    """A folder on the disk, one in a storage without folders, and one in a storage whose folders must be made."""
    root = tmp_path / "a"
    if request.param == "local":
        return ArchiveFolder(str(root))
    if request.param == "memory":
        return ArchiveFolder(f"memory://{tmp_path.name}")
    Path(f"{root}/{root.parent}").mkdir(parents=True)  # fsspec takes the path of the storage for a path in it too
    return ArchiveFolder(f"dir::file://{root}")


def test_files_are_written_read_listed_and_deleted(folder: ArchiveFolder) -> None:
    assert folder.names("x") == folder.archives() == []
    assert folder.read("x", "1.key") is None
    folder.write("x", "1.key", b"first")
    folder.write("x", "1.key", b"second")
    with folder.writing("x", "1.parquet") as file:
        file.write(b"rows")
    assert folder.names("x") == ["1.key", "1.parquet"]
    assert folder.archives() == ["x"]
    assert folder.read("x", "1.key") == b"second"
    with folder.reading("x", "1.parquet") as file:
        assert file.read() == b"rows"
    for _ in range(2):  # a repeated deletion does nothing
        folder.delete("x", "1.key")
    assert folder.names("x") == ["1.parquet"]


def test_a_missing_file_that_should_be_there_is_damage(folder: ArchiveFolder) -> None:
    with (
        pytest.raises(ArchiveDamaged, match=r"archive x: its file 1\.parquet is missing"),
        folder.reading("x", "1.parquet"),
    ):
        pass


def test_a_writer_at_a_pipe_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    os.mkfifo(tmp_path / "x" / "1.parquet")
    reasons = list[str]()

    def write() -> None:
        try:
            with ArchiveFolder(str(tmp_path)).writing("x", "1.parquet"):
                pass
        except ArchiveUnavailable as error:
            reasons.append(str(error))

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    writing.join(5)
    assert len(reasons) == 1


def test_a_small_file_is_whole_or_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ArchiveFolder(str(tmp_path))
    folder.write("x", "1.json", b"before")
    monkeypatch.setattr("os.fsync", _fail)
    with pytest.raises(ArchiveUnavailable, match="no space left"):
        folder.write("x", "1.json", b"after")
    assert folder.read("x", "1.json") == b"before"


def _fail(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_an_unknown_kind_of_storage_is_named_without_its_login() -> None:
    with pytest.raises(ArchiveUnavailable) as error:
        ArchiveFolder("nowhere://user:secret@host/archive")
    assert "secret" not in str(error.value)
    assert str(error.value).startswith("nowhere://host/archive: ")


@pytest.mark.parametrize("url", ["dir:///archive", "github://archive", "zip://archive"])
def test_a_url_without_a_part_that_its_storage_needs_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(ArchiveUnavailable):
        ArchiveFolder(url)


_DIES: dict[str, str] = {
    "before the content is on the disk": "os.fsync = lambda _: die()",
    "before the file has its name": "os.replace = lambda *_, **__: die()",
    "before the name is on the disk": "renames = os.replace; os.replace = lambda *a, **b: (renames(*a, **b), die())",
}
_WRITER = """
import os, signal, sys
from times_dispatch.archive import folder as folder_module

def die():
    os.kill(os.getpid(), signal.SIGKILL)

folder = folder_module.ArchiveFolder(sys.argv[1])
{dies}
folder.write("x", "1.key", b"after")
"""


@pytest.mark.processes
@pytest.mark.parametrize("dies", _DIES.values(), ids=_DIES)
def test_a_writer_that_is_killed_leaves_no_copy_after_the_next_run(tmp_path: Path, dies: str) -> None:
    folder = ArchiveFolder(str(tmp_path))
    folder.write("x", "1.key", b"before")
    killed = subprocess.run([sys.executable, "-c", _WRITER.format(dies=dies), str(tmp_path)], check=False, timeout=300)
    assert killed.returncode == -9
    assert folder.read("x", "1.key") == (b"after" if "renames" in dies else b"before")
    assert folder.names("x") == ["1.key"]
    folder.clean("x")
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["1.key"]
    assert folder.clean("x") == 0


@pytest.mark.processes
def test_the_deletion_of_a_file_deletes_copies_that_a_killed_writer_has_left(tmp_path: Path) -> None:
    folder = ArchiveFolder(str(tmp_path))
    folder.write("x", "1.key", b"before")
    dies = _DIES["before the file has its name"]
    subprocess.run([sys.executable, "-c", _WRITER.format(dies=dies), str(tmp_path)], check=False, timeout=300)
    assert len(list((tmp_path / "x").iterdir())) == 2
    folder.delete("x", "1.key")
    assert list((tmp_path / "x").iterdir()) == []


def test_a_file_that_is_being_written_is_not_deleted(tmp_path: Path) -> None:
    folder = ArchiveFolder(str(tmp_path))
    folder.write("x", "1.key", b"before")
    with (tmp_path / "x" / "1.key.0123.new").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert folder.clean("x") == 0
    assert folder.clean("x") == 1


def test_a_copy_of_another_user_stops_a_destruction_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, opens = ArchiveFolder(str(tmp_path)), os.open
    folder.write("x", "1.key", b"wrapped")
    folder.write("x", "1.json", b"{}")
    (tmp_path / "x" / "1.key.0123.new").write_text("wrapped before")

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith(".new"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opens(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    assert folder.clean("x") == 0
    folder.destroy("x", "1.json")
    with pytest.raises(ArchiveUnavailable, match=r"a copy of 1\.key.*permission denied"):
        folder.destroy("x", "1.key")
    assert folder.names("x") == []
    monkeypatch.setattr(os, "open", opens)
    folder.destroy("x", "1.key")
    assert list((tmp_path / "x").iterdir()) == []


def test_no_file_of_an_archive_is_written_through_a_link(tmp_path: Path) -> None:
    folder, victim = ArchiveFolder(str(tmp_path / "a")), tmp_path / "victim"
    victim.write_text("as before")
    folder.write("x", "1.key", b"first")
    (tmp_path / "a" / "x" / "1.parquet").symlink_to(victim)
    with pytest.raises(ArchiveUnavailable), folder.writing("x", "1.parquet") as file:
        file.write(b"rows")
    assert victim.read_text() == "as before"


class ClientRefuses(Exception):
    """An error of a storage's client that is no OSError and no class that fsspec knows."""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the package of a storage's client is loaded."""
    errors = SimpleNamespace(BotoCoreError=ClientRefuses, ClientError=ClientRefuses)
    monkeypatch.setitem(sys.modules, "botocore.exceptions", errors)


def _open(opened: AbstractContextManager[object]) -> None:
    with opened:
        pass


@pytest.mark.parametrize(
    "call",
    [
        lambda folder: folder.write("x", "1.key", b"second"),
        lambda folder: _open(folder.writing("x", "1.parquet")),
        lambda folder: folder.read("x", "1.key"),
        lambda folder: _open(folder.reading("x", "1.parquet")),
        lambda folder: folder.delete("x", "1.key"),
        lambda folder: folder.names("x"),
        lambda folder: folder.archives(),
    ],
    ids=["write", "writing", "read", "reading", "delete", "names", "archives"],
)
def test_errors_of_a_storages_own_kinds_are_one_line_without_login_and_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: None, call: Callable[[ArchiveFolder], object]
) -> None:
    folder = ArchiveFolder(f"memory://{tmp_path.name}")
    folder.write("x", "1.key", b"first")

    def refuse(*_: object, **__: object) -> None:
        raise ClientRefuses('no way to "https://user:secret@bucket.example/x?Signature=secret"\nand more')

    for name in ("pipe_file", "cat_file", "open", "rm_file", "ls"):
        monkeypatch.setattr(f"fsspec.implementations.memory.MemoryFileSystem.{name}", refuse)
    with pytest.raises(ArchiveUnavailable) as refused:
        call(folder)
    assert str(refused.value).startswith(f"memory://{tmp_path.name}")
    assert str(refused.value).endswith(': no way to "https://bucket.example/x"')


@pytest.mark.parametrize("method", ["read", "close"])
def test_an_error_of_an_open_file_of_a_storage_is_one_too_and_an_error_of_the_reader_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: None, method: str
) -> None:
    folder = ArchiveFolder(f"memory://{tmp_path.name}")
    folder.write("x", "1.parquet", b"rows")
    with pytest.raises(ZeroDivisionError), folder.reading("x", "1.parquet"):
        raise ZeroDivisionError

    def refuse(*_: object) -> None:
        raise ClientRefuses("connection lost")

    monkeypatch.setattr(f"fsspec.implementations.memory.MemoryFile.{method}", refuse, raising=False)
    with (
        pytest.raises(ArchiveUnavailable, match=r"x/1\.parquet: connection lost"),
        folder.reading("x", "1.parquet") as file,
    ):
        file.read()
