"""Sealed records hold the data about a forgotten number that the law prescribes; each record has its own key.

No command of this program reads a sealed record. A person with the master key and a lawful reason can decrypt a record
(docs/retention.md). Upkeep destroys the key of a record when the record's time is over.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
import pyarrow as pa
from redis.asyncio import Redis

from times_dispatch.archive.errors import ArchiveDamaged, ArchiveError
from times_dispatch.archive.folder import KEY, MANIFEST, ROWS, ArchiveFolder
from times_dispatch.archive.parquet import ParquetRows
from times_dispatch.archive.wrapped_keys import MasterKeys, new_data_key
from times_dispatch.ledger.keys import SEALED
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.queries import MessageView
from times_dispatch.ledger.scripts import text
from times_dispatch.unreadable_json import UNREADABLE_JSON

SEALED_PREFIX: Final = "sealed-"
"""The beginning of the folder of a sealed record."""
FORGOTTEN_FOLDER: Final = "forgotten"
"""The folder with one file for each forgotten number, which is named by the keyed digest of the number."""
_OPERATION: Final = "sealed"
_DIGEST: Final = "digest"
_ROWS_AT_ONCE: Final = 1_000
_SCHEMA: Final = (
    ("kind", pa.string()),
    ("number", pa.string()),
    ("campaign", pa.string()),
    ("name", pa.string()),
    ("sender", pa.string()),
    ("template", pa.string()),
    ("line", pa.int64()),
    ("state", pa.string()),
    ("code", pa.int64()),
    ("attempt", pa.int64()),
    ("sent_ms", pa.int64()),
    ("reported_ms", pa.int64()),
    ("transaction_id", pa.string()),
    ("content", pa.string()),
)


class SealedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a sealed record; times are epoch milliseconds, 0 without such a time."""

    kind: str
    """``message``, ``dead letter``, or ``report``: a posted body that waited."""
    number: str
    campaign: str = ""
    name: str = ""
    sender: str = ""
    template: str = ""
    line: int = 0
    state: str = ""
    code: int = 0
    attempt: int = 0
    sent_ms: int = 0
    reported_ms: int = 0
    transaction_id: str = ""
    content: str = ""
    """The values of the message, as a JSON array; the body of a dead letter or of a report."""


class _SealedRecord(msgspec.Struct, frozen=True):
    """The place of a sealed record: the folder of the archive, and the record's name."""

    folder: str
    archive: str


class _SealManifest(msgspec.Struct, frozen=True):
    """The part of a sealed record that can be read without a key."""

    sealed_ms: int
    until_ms: int
    rows: int


def sealed_message(view: CampaignView, message: MessageView) -> SealedRow:
    """Return a message of a campaign as a row of a sealed record."""
    record, plan = message.record, view.plan
    return SealedRow(
        kind="message",
        number=message.to,
        campaign=view.id,
        name=plan.name,
        sender=plan.sender,
        template=plan.template,
        line=message.line,
        state=record.state.label,
        code=record.code,
        attempt=record.attempt,
        sent_ms=view.created_ms + record.sent_ms if record.sent_ms else 0,
        reported_ms=record.reported_s * 1000,
        transaction_id=record.transaction_id,
        content=msgspec.json.encode(message.slots).decode(),
    )


class Sealing:
    """Writes sealed records, and erases records whose time is over."""

    def __init__(self, redis: Redis, folder: ArchiveFolder, keys: MasterKeys) -> None:
        """Make the sealing of a ledger.

        Args:
            redis: the ledger, which knows when each record is to be erased.
            folder: the folder of the archive.
            keys: the master keys, which wrap the keys of the records.
        """
        self._redis = redis
        self._folder = folder
        self._keys = keys

    async def seal(self, rows: Sequence[SealedRow], *, now_ms: int, until_ms: int) -> None:
        """Write one record, which is erased at the time *until_ms*; raise ``ArchiveError``."""
        archive = f"{SEALED_PREFIX}{secrets.token_hex(8)}"
        manifest = _SealManifest(sealed_ms=now_ms, until_ms=until_ms, rows=len(rows))
        # The ledger comes first: a record that the ledger does not know would never be erased.
        record = msgspec.json.encode(_SealedRecord(self._folder.url, archive))
        await self._redis.zadd(SEALED, {record: until_ms})
        await asyncio.to_thread(self._write, archive, rows, manifest)

    async def erase_due(self, now_ms: int) -> tuple[int, list[ArchiveError]]:
        """Destroy the keys of records whose time is over, and delete the records.

        Return the number of deleted records, and the errors of the others; the next call tries the others again.
        """
        erased, errors = 0, list[ArchiveError]()
        for member in await self._redis.zrangebyscore(SEALED, "-inf", now_ms):
            record = msgspec.json.decode(text(member), type=_SealedRecord)
            try:
                await asyncio.to_thread(self._delete, record)
            except ArchiveError as error:
                errors.append(error)
                continue
            await self._redis.zrem(SEALED, text(member))
            erased += 1
        return erased, errors

    async def note_forgotten(self, digest: str, key_digest: str) -> None:
        """Note in the archive's folder that a number is forgotten, so that the number stays forgotten if Redis is lost.

        Args:
            digest: the digest of the number, in hexadecimal.
            key_digest: a digest of the key of forgotten numbers, by which a rebuild finds out whether it has the right
                key.
        """
        name = f"{digest}.{_DIGEST}"
        await asyncio.to_thread(self._folder.write, FORGOTTEN_FOLDER, name, key_digest.encode())

    def key_digests(self) -> set[str]:
        """Return the digests of the keys with which numbers were forgotten. This blocks."""
        contents = (self._folder.read(FORGOTTEN_FOLDER, name) for name in self._folder.names(FORGOTTEN_FOLDER))
        return {content.decode("ascii", "replace") for content in contents if content}

    def forgotten_digests(self) -> list[bytes]:
        """Return the digests that ``note_forgotten`` noted. This blocks."""
        digests = [name.removesuffix(f".{_DIGEST}") for name in self._folder.names(FORGOTTEN_FOLDER)]
        try:
            return [bytes.fromhex(digest) for digest in digests]
        except ValueError:
            raise ArchiveDamaged(f"{FORGOTTEN_FOLDER}: has a file that is no digest") from None

    async def restore(self, archive: str) -> None:
        """Enter a sealed record into the ledger again, after Redis has lost its data; raise ``ArchiveError``."""
        packed = await asyncio.to_thread(self._folder.read, archive, f"{_OPERATION}.{MANIFEST}")
        if packed is None:
            raise ArchiveDamaged(f"{archive}: its manifest is missing, so its end is unknown; restore the file")
        try:
            manifest = msgspec.json.decode(packed, type=_SealManifest)
        except UNREADABLE_JSON:
            raise ArchiveDamaged(f"{archive}: its manifest cannot be read") from None
        record = msgspec.json.encode(_SealedRecord(self._folder.url, archive))
        await self._redis.zadd(SEALED, {record: manifest.until_ms})

    def _write(self, archive: str, rows: Sequence[SealedRow], manifest: _SealManifest) -> None:
        data_key = new_data_key()
        self._folder.write(archive, f"{_OPERATION}.{KEY}", self._keys.wrap(data_key, archive=archive))
        with self._folder.writing(archive, f"{_OPERATION}.{ROWS}") as file:
            writer = ParquetRows(file, list(_SCHEMA), rows_at_once=_ROWS_AT_ONCE, data_key=data_key, file_name=archive)
            writer.write([[getattr(row, name) for row in rows] for name, _ in _SCHEMA])
            writer.finish()
        self._folder.write(archive, f"{_OPERATION}.{MANIFEST}", msgspec.json.encode(manifest))

    def _delete(self, record: _SealedRecord) -> None:
        folder = self._folder if record.folder == self._folder.url else ArchiveFolder(record.folder)
        folder.delete(record.archive, f"{_OPERATION}.{KEY}")
        folder.delete(record.archive, f"{_OPERATION}.{ROWS}")
        folder.destroy(record.archive, f"{_OPERATION}.{KEY}")
        folder.delete(record.archive, f"{_OPERATION}.{MANIFEST}")
