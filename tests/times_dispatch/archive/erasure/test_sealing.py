from pathlib import Path

from redis.asyncio import Redis

from tests.kit.archive import KEYS, files_in
from times_dispatch.archive.erasure.sealing import SealedRow, Sealing
from times_dispatch.archive.folder import ArchiveFolder
from times_dispatch.archive.parquet import open_encrypted
from times_dispatch.ledger.keys import SEALED

ROW = SealedRow(kind="message", number="919876543210", campaign="diwali01", state="delivered", content='["Asha"]')


async def test_a_sealed_record_can_be_read_with_the_master_key_only(redis: Redis, tmp_path: Path) -> None:
    await Sealing(redis, ArchiveFolder(str(tmp_path)), KEYS).seal([ROW, ROW], now_ms=1, until_ms=1_000)
    files = files_in(tmp_path)
    assert [path.name for path in files] == ["sealed.json", "sealed.key", "sealed.parquet"]
    assert not any(word in path.read_bytes() for path in files for word in (b"9876543210", b"Asha"))
    archive = files[0].parent.name
    data_key = KEYS.unwrap(files[1].read_bytes(), archive=archive)
    with files[2].open("rb") as file:
        table = open_encrypted(file, data_key=data_key, file_name=archive).read()
    assert table.column("number").to_pylist() == ["919876543210"] * 2
    assert table.column("content").to_pylist() == ['["Asha"]'] * 2


async def test_a_sealed_record_is_erased_when_its_time_is_over(redis: Redis, tmp_path: Path) -> None:
    sealing = Sealing(redis, ArchiveFolder(str(tmp_path)), KEYS)
    await sealing.seal([ROW], now_ms=1, until_ms=1_000)
    assert await sealing.erase_due(999) == (0, [])
    assert await sealing.erase_due(1_000) == (1, [])
    assert not files_in(tmp_path)
    assert await redis.zcard(SEALED) == 0
