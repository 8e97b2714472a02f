"""Foreign files in the folder of the archive cost bounded memory and time, and each is refused in one line."""

import os
import random
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from redis.asyncio import Redis

from tests.kit.archive import KEYS, catalog, ended_campaign, files_in, retention
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from tests.kit.process_memory import peak_mb
from times_dispatch.archive.archiver import Archiver
from times_dispatch.archive.errors import ArchiveDamaged, ArchiveError, ArchiveUnavailable
from times_dispatch.archive.folder import MAX_MANIFEST_BYTES, MAX_SMALL_BYTES, ArchiveFolder
from times_dispatch.archive.manifest import Manifest, read_manifest
from times_dispatch.archive.parquet import MAX_FOOTER_BYTES, open_encrypted
from times_dispatch.archive.rebuilding import ArchiveRebuild, RebuildResult
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.states import CampaignState

GB = 1_000_000_000
MAX_MORE_MB = 100
MAX_S = 30.0


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)


@pytest.fixture
async def archived(ledger: Ledger, tmp_path: Path) -> Path:
    """The folder of an archive with one campaign."""
    folder = tmp_path / "archive"
    await ended_campaign(ledger)
    assert (await retention(ledger.redis, folder).run()).archived == [CAMPAIGN]
    return folder


def file_of(folder: Path, kind: str) -> Path:
    (path,) = (each for each in files_in(folder) if each.suffix == f".{kind}")
    return path


def sparse(path: Path, size: int, end: bytes = b"") -> None:
    """Make a sparse file, which takes no space on the disk."""
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size - len(end))
        file.write(end)


def link_to(target: str) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return replace


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


REPLACED: dict[str, Callable[[Path], object]] = {
    "of five gigabytes": lambda path: sparse(path, 5 * GB),
    "with a footer of four gigabytes": lambda path: sparse(path, 5 * GB, b"\xf0\xff\xff\xffPARE"),
    "with a footer at the bound": lambda path: sparse(path, GB, MAX_FOOTER_BYTES.to_bytes(4, "little") + b"PARE"),
    "a link to an endless file": link_to("/dev/zero"),
    "a link to another file": link_to("/etc/passwd"),
    "a pipe": pipe,
    "a folder": folder_instead,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "deep JSON": lambda path: path.write_bytes(b"[" * 1_000_000),
    "JSON that is not UTF-8": lambda path: path.write_bytes(b'{"campaign":"\xff"}'),
    "JSON of many counters": lambda path: path.write_bytes(
        path.read_bytes().rstrip(b"}\n") + b',"x":{' + b",".join(b'"%d":1' % n for n in range(150_000)) + b"}}"
    ),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("kind", ["json", "key", "parquet"])
@pytest.mark.parametrize("replaced", REPLACED)
async def test_a_replaced_file_is_refused_in_one_line_within_bounds(
    ledger: Ledger, archived: Path, kind: str, replaced: str
) -> None:
    REPLACED[replaced](file_of(archived, kind))
    reader = catalog(ledger.redis)
    stub = await reader.archive.stub(CAMPAIGN)
    before_mb, began = peak_mb(os.getpid()), time.monotonic()
    reason = ""
    try:
        manifest = await reader.archive.manifest(stub)
        async for _ in reader.archive.groups(stub, manifest):
            pass
    except ArchiveError as error:
        reason = str(error)
    more_mb, seconds = peak_mb(os.getpid()) - before_mb, time.monotonic() - began
    print(f"the file .{kind} {replaced}: {more_mb:.0f} MB more, {seconds:.2f} s: {reason}")  # noqa: T201  # the figure
    # Unknown fields of a manifest have no effect.
    assert reason or (kind, replaced) == ("json", "JSON of many counters")
    assert "\n" not in reason
    assert more_mb < MAX_MORE_MB + 2 * MAX_FOOTER_BYTES / 1e6 * ("bound" in replaced)
    assert seconds < MAX_S


async def rebuild(ledger: Ledger, folder: ArchiveFolder) -> RebuildResult:
    forgotten = ForgottenNumbers(ledger.redis, b"the key of forgotten numbers")
    return await ArchiveRebuild(ledger.redis, folder, KEYS, forgotten=forgotten, actor="asha@host").run()


@pytest.mark.parametrize(
    "changed",
    [
        {"operation": "../../victim"},
        {"sender": "opt_outs}:x"},
        {"sender": "OTHER"},
        {"archived_ms": 10**18},
        {"erased_ms": 10**18},
        {"rows": 10**15},
        {"fields": {}},
        {"fields": {"state": "finished", "plan": "[" * 100_000}},
        {"codes": {"r:910": 2**62, "r:911": 2**62}},
        {"statistics": {"delivered": 2**62}},
    ],
    ids=lambda changed: str(changed)[:40],
)
async def test_a_forged_manifest_names_no_file_and_no_key_of_others(
    ledger: Ledger, archived: Path, changed: dict[str, Any]
) -> None:
    path = file_of(archived, "json")
    victim = archived.parent / "victim.key"
    victim.write_text("as before")
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), **changed}))
    await ledger.redis.flushall()
    result = await rebuild(ledger, ArchiveFolder(str(archived)))
    found: Any = await ledger.redis.keys()
    keys = sorted(key.decode() for key in found)
    print(f"{str(changed)[:60]}: {result.failed or result.differences or 'as counted'}, {len(keys)} keys")  # noqa: T201  # the figure
    assert victim.read_text() == "as before"
    assert not [key for key in keys if key.startswith(("{OTHER", "{opt_outs}:x"))]
    assert result.failed or result.differences or "statistics" in changed or "codes" in changed


async def test_no_deletion_follows_a_link_or_meets_a_foreign_file(ledger: Ledger, archived: Path) -> None:
    stub = await catalog(ledger.redis).archive.stub(CAMPAIGN)
    home, own = archived.parent / "home", archived / CAMPAIGN
    home.mkdir()
    for name in ("notes.txt", "other.key", "other.json", "1.key.00.new"):
        (home / name).write_text("as before")
    moved = own.rename(archived.parent / "moved")
    own.symlink_to(home)
    folder = ArchiveFolder(str(archived))
    refused = 0
    for call in (
        lambda: folder.delete_others(CAMPAIGN, stub.operation),
        lambda: folder.delete(CAMPAIGN, "other.key"),
        lambda: folder.write(CAMPAIGN, "other.key", b"x"),
        lambda: folder.read(CAMPAIGN, "other.key"),
        lambda: folder.clean(CAMPAIGN),
    ):
        with pytest.raises(ArchiveUnavailable):
            call()
        refused += 1
    left = {path.read_text() for path in home.iterdir()}
    own.unlink()
    moved.rename(own)
    (own / "notes.txt").write_text("of somebody else")
    (own / "0123456789abcdef.key").write_text("of a failed attempt")
    folder.delete_others(CAMPAIGN, stub.operation)
    print(f"{refused} calls refused, {len(list(home.iterdir()))} foreign files left, {sorted(folder.names(CAMPAIGN))}")  # noqa: T201  # the figure
    assert (refused, left, len(list(home.iterdir()))) == (5, {"as before"}, 4)
    files = [f"{stub.operation}.{kind}" for kind in ("json", "key", "numbers", "parquet")]
    assert folder.names(CAMPAIGN) == [*files, "notes.txt"]


def test_foreign_names_like_those_of_unfinished_files_stop_no_archiving(tmp_path: Path) -> None:
    folder = ArchiveFolder(str(tmp_path / "a"))
    folder.write(CAMPAIGN, "1.key", b"before")
    own, victim = tmp_path / "a" / CAMPAIGN, tmp_path / "victim"
    victim.write_text("as before")
    (own / "1.key.00.new").write_text("of a writer that died")
    (own / "link.new").symlink_to(victim)
    (own / "dangling.new").symlink_to("nowhere")
    (own / "folder.new").mkdir()
    os.mkfifo(own / "pipe.new")
    os.mknod(own / "socket.new", stat.S_IFSOCK | 0o600)
    cleaned = folder.clean(CAMPAIGN)
    folder.delete(CAMPAIGN, "1.key")
    print(f"6 foreign names: {cleaned} files cleaned, {len(list(own.iterdir()))} names left alone")  # noqa: T201  # the figure
    assert cleaned == 2
    assert victim.read_text() == "as before"
    assert sorted(path.name for path in own.iterdir()) == ["dangling.new", "folder.new", "link.new", "socket.new"]


@pytest.mark.parametrize("names", ["short", "long"])
async def test_a_list_without_an_end_is_refused(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = 0

    def endless(*_: object, **__: object) -> Iterator[str]:
        nonlocal given
        while True:
            given += 1
            yield f"/{given:05}" if names == "short" else f"/{given:0250}"

    monkeypatch.setattr(MemoryFileSystem, "ls", endless)
    before_mb, began = peak_mb(os.getpid()), time.monotonic()
    for call in (ArchiveFolder("memory://a").archives, lambda: ArchiveFolder("memory://a").names("x")):
        with pytest.raises(ArchiveDamaged, match="has more than"):
            call()
    more_mb, seconds = peak_mb(os.getpid()) - before_mb, time.monotonic() - began
    print(f"{given:,} {names} names: {more_mb:.0f} MB more, {seconds:.1f} s")  # noqa: T201  # the figure
    assert more_mb < MAX_MORE_MB + 50


class _Endless(BytesIO):
    """An object that states a small size, but returns bytes without an end."""

    given = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None, "a read without a bound"
        assert size > 0, "a read without a bound"
        self.given += size
        return b"x" * size


async def test_an_object_that_states_a_false_size_is_read_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = list[_Endless]()

    def opened(*_: object, **__: object) -> _Endless:
        objects.append(_Endless())
        return objects[-1]

    monkeypatch.setattr(MemoryFileSystem, "open", opened)
    folder = ArchiveFolder("memory://a")
    for name in ("1.json", "1.key"):
        with pytest.raises(ArchiveDamaged, match="has more than"):
            folder.read("x", name)
    print(f"{[each.given for each in objects]} bytes read")  # noqa: T201  # the figure
    assert [each.given for each in objects] == [MAX_MANIFEST_BYTES + 1, MAX_SMALL_BYTES + 1]


async def test_rows_that_change_while_they_are_read_or_verified_are_refused_and_the_campaign_stays(
    ledger: Ledger, tmp_path: Path
) -> None:
    folder = ArchiveFolder(str(tmp_path))
    await ended_campaign(ledger)
    tried = list[str]()

    def spoil(step: str) -> None:
        if step == "verify the rows":
            path = file_of(tmp_path, "parquet")
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
            tried.append(step)

    archiver = Archiver(ledger.redis, folder, KEYS, before_step=spoil)
    with pytest.raises(ArchiveDamaged):
        await archiver.archive(SENDER, CAMPAIGN, before_ms=2**60)
    print(f"{len(tried)} attempt, files left: {files_in(tmp_path)}, {await ledger.states()}")  # noqa: T201  # the figure
    assert tried
    assert files_in(tmp_path) == []
    assert (await catalog(ledger.redis).campaign(CAMPAIGN)).state is CampaignState.FINISHED


async def test_rows_of_an_earlier_attempt_or_of_another_campaign_are_refused(ledger: Ledger, archived: Path) -> None:
    reader = catalog(ledger.redis)
    await ended_campaign(ledger, campaign="holi0001")
    await retention(ledger.redis, archived).run()
    for kind in ("parquet", "key"):
        first, second = sorted(path for path in files_in(archived) if path.suffix == f".{kind}")
        shutil.copy(second, first)
        stub = await reader.archive.stub(CAMPAIGN)
        with pytest.raises(ArchiveDamaged):
            async for _ in reader.archive.groups(stub, await reader.archive.manifest(stub)):
                pass


MUTATIONS = 3_000


async def test_files_that_were_changed_anywhere_are_read_as_they_were_or_refused(
    ledger: Ledger, archived: Path
) -> None:
    stub = await catalog(ledger.redis).archive.stub(CAMPAIGN)
    data_key = catalog(ledger.redis).archive.data_key(stub)
    packed, rows = file_of(archived, "json").read_bytes(), file_of(archived, "parquet").read_bytes()
    chance, counts = random.Random(1), {"refused": 0, "read": 0}
    good = _rows_of(rows, data_key)
    before_mb, max_s = peak_mb(os.getpid()), 0.0
    for number in range(MUTATIONS):
        is_manifest = number % 3 == 0
        content = _mutated(packed if is_manifest else rows, chance)
        began = time.thread_time()
        try:
            if is_manifest:
                _look_at(read_manifest(content, archive=CAMPAIGN, operation=stub.operation))
            else:
                assert _rows_of(content, data_key) == good
        except (ArchiveDamaged, CampaignDamaged, OSError, ValueError):
            counts["refused"] += 1
        else:
            counts["read"] += 1
        max_s = max(max_s, time.thread_time() - began)
    more_mb = peak_mb(os.getpid()) - before_mb
    print(f"{MUTATIONS:,} changed files: {counts}, {more_mb:.0f} MB more, {max_s * 1000:.0f} ms at most")  # noqa: T201  # the figure
    assert counts["refused"] > MUTATIONS / 2
    assert more_mb < MAX_MORE_MB


def _look_at(manifest: Manifest) -> None:
    assert manifest.campaign == CAMPAIGN
    str(manifest.view())


def _rows_of(content: bytes, data_key: bytes) -> list[Any]:
    file = open_encrypted(BytesIO(content), data_key=data_key, file_name=CAMPAIGN)
    return [file.read_row_group(group).to_pylist() for group in range(file.metadata.num_row_groups)]


def _mutated(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at:at] = chance.choice([b"\xff", b"\xed", b"9" * 30, b'"', b"{", b"[", b"\\u", b"-"])
            case 2:
                del changed[at : at + chance.randint(1, 20)]
            case _:
                changed[-1 - at % min(400, len(changed))] = chance.randrange(256)
        if not changed:
            return b""
    return bytes(changed)


def test_a_reader_at_a_pipe_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    os.mkfifo(tmp_path / "x" / "1.key")
    reading = threading.Thread(target=_read_refused, args=(ArchiveFolder(str(tmp_path)),), daemon=True)
    reading.start()
    reading.join(MAX_S)
    assert not reading.is_alive()


def _read_refused(folder: ArchiveFolder) -> None:
    with pytest.raises(ArchiveUnavailable):
        folder.read("x", "1.key")
