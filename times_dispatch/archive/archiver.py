"""Archives one campaign: stores its messages, verifies the files, and removes the campaign from Redis.

The archiver takes these steps in this order. Each step may fail or be repeated, and the process may die after it:

1. The ledger begins the attempt and gives a digest of the campaign's counters.
2. The wrapped key is stored, then the rows. The rows are read back and counted, and the counts must equal the
   campaign's counters. Then the manifest is stored.
3. The ledger commits the attempt if no counter has changed: from now on the campaign is read from the archive.
4. Files of other attempts are deleted, and the campaign's keys leave Redis in small steps.

Until step 3 all readers read the campaign from Redis, because no reader opens files that the ledger does not name.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import IO, Any, Final, NamedTuple, cast

import msgspec
import structlog
from redis.asyncio import Redis

from times_dispatch.archive.errors import ArchiveDamaged, ArchiveError
from times_dispatch.archive.folder import KEY, MANIFEST, NUMBERS, ROWS, ArchiveFolder
from times_dispatch.archive.manifest import Manifest, pack_manifest
from times_dispatch.archive.numbers.number_filter import NumberFilter
from times_dispatch.archive.rows import RowReader, RowSums, RowWriter
from times_dispatch.archive.wrapped_keys import MasterKeys, new_data_key
from times_dispatch.ledger.archive_states import ArchiveBegin, ArchiveCommit, ArchiveStates
from times_dispatch.ledger.audit import counter_mismatch, read_counters
from times_dispatch.ledger.batch_columns import BatchColumns, read_batches
from times_dispatch.ledger.campaigns.view import read_view
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import CampaignField, CampaignKey, CodeOrigin, campaign_key, codes_key, statistics_key
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.states import SUPPRESSION_REASONS, MessageState
from times_dispatch.ledger.trail import PROGRAM, TrailAction, packed_entry
from times_dispatch.plurals import counted

log = structlog.get_logger(__name__)

_TRIES: Final = 3
_ORIGINS: Final = {
    MessageState.FAILED: CodeOrigin.REPORT,
    MessageState.REJECTED: CodeOrigin.PUSH,
    MessageState.GIVEN_UP: CodeOrigin.PUSH,
    MessageState.SUPPRESSED: CodeOrigin.SUPPRESSED,
}
_COUNTED_ORIGINS: Final = frozenset({CodeOrigin.REPORT, CodeOrigin.PUSH, CodeOrigin.SUPPRESSED})


class Archived(NamedTuple):
    """The end of an attempt to archive a campaign."""

    answer: ArchiveBegin
    """``ARCHIVED`` if the campaign is in the archive now; otherwise the reason why the campaign stays in Redis."""
    rows: int = 0
    """The number of messages that this attempt stored."""


class _Snapshot(NamedTuple):
    """The hashes of a campaign at one moment, and the campaign's view."""

    fields: dict[str, str]
    codes: dict[str, int]
    statistics: dict[str, int]
    view: CampaignView


async def _no_pause() -> None:
    """Do not wait between steps."""


class Archiver:
    """Archives campaigns into one folder."""

    def __init__(
        self,
        redis: Redis,
        folder: ArchiveFolder,
        keys: MasterKeys,
        *,
        actor: str = PROGRAM,
        pause: Callable[[], Awaitable[None]] = _no_pause,
        before_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Make an archiver.

        Args:
            redis: the ledger.
            folder: the folder of the archive.
            keys: the master keys, which wrap the keys of the archives.
            actor: the person or process that archives, for the trail.
            pause: awaited after each small step, so that other work of the process goes on.
            before_step: called with the name of each step before the step is taken; a test can end an archiver in this
                call.
        """
        self._redis = redis
        self._folder = folder
        self._keys = keys
        self._actor = actor
        self._pause = pause
        self._before_step = before_step
        self._states = ArchiveStates(redis)

    async def archive(self, sender: SenderId, campaign: CampaignId, *, before_ms: int) -> Archived:
        """Archive a campaign that ended before a time, and delete the campaign's keys in Redis.

        Raises:
            ArchiveError: the files cannot be written, or differ from the written data; the campaign stays in Redis.
            CampaignDamaged: the records of the campaign do not agree with the counters; the campaign stays in Redis.
        """
        for _ in range(_TRIES):
            operation = secrets.token_hex(8)
            self._before_step("begin")
            begun, digest = await self._states.begin(sender, campaign, operation=operation, before_ms=before_ms)
            if begun is not ArchiveBegin.BEGUN:
                if begun is ArchiveBegin.ARCHIVED:
                    await self.finish(sender, campaign)
                return Archived(begun)
            try:
                manifest = await self._store(sender, campaign, operation)
            except (ArchiveError, CampaignDamaged):
                await self._delete_files(campaign, [operation])
                raise
            self._before_step("commit")
            plan = manifest.view().plan
            # If the answer to this call is lost, the files stay, because the commit may have been done. The next
            # attempt finds the campaign archived, or deletes the files.
            commit = await self._states.commit(
                sender,
                campaign,
                operation=operation,
                digest=digest,
                folder=self._folder.url,
                name=plan.name,
                template=plan.template,
                trail=packed_entry(self._actor, TrailAction.ARCHIVED, campaign=campaign, detail=_detail(manifest)),
            )
            if commit is ArchiveCommit.ARCHIVED:
                await self.finish(sender, campaign)
                return Archived(ArchiveBegin.ARCHIVED, manifest.rows)
            await self._delete_files(campaign, [operation])
        return Archived(ArchiveBegin.UNSETTLED)

    async def finish(self, sender: SenderId, campaign: CampaignId) -> None:
        """Delete the files of other attempts, and then, some at a time, the keys of an archived campaign in Redis."""
        self._before_step("delete files of other attempts")
        for stub in await self._states.read([(campaign, sender)]):
            folder = self._folder if stub.folder == self._folder.url else ArchiveFolder(stub.folder)
            await asyncio.to_thread(folder.delete_others, campaign, stub.operation)
        left = 1
        while left:
            self._before_step("delete keys")
            left = await self._states.delete_some(sender, campaign)
            await self._pause()

    async def _store(self, sender: SenderId, campaign: CampaignId, operation: str) -> Manifest:
        """Store and verify the files of an attempt; return the manifest."""
        snapshot = await self._read(sender, campaign)
        data_key = new_data_key()
        self._before_step("write the key")
        wrapped = self._keys.wrap(data_key, archive=campaign)
        await asyncio.to_thread(self._folder.write, campaign, f"{operation}.{KEY}", wrapped)
        self._before_step("write the rows")
        manifest, written = await self._write_rows(snapshot, operation, data_key)
        self._before_step("verify the rows")
        verified = await asyncio.to_thread(self._read_back, manifest, data_key)
        _compare(snapshot, written, verified)
        self._before_step("write the manifest")
        await asyncio.to_thread(self._folder.write, campaign, f"{operation}.{MANIFEST}", pack_manifest(manifest))
        return manifest

    async def _read(self, sender: SenderId, campaign: CampaignId) -> _Snapshot:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(campaign_key(sender, campaign))
            pipe.hgetall(codes_key(sender, campaign))
            pipe.hgetall(statistics_key(sender, campaign))
            pipe.time()
            fields, codes, statistics, (now_s, _) = await pipe.execute()
        by_name = {name.decode(): value for name, value in fields.items()}
        coded = {name.decode(): value for name, value in codes.items()}
        try:
            view = read_view(campaign, by_name, coded, {}, now_s=float(now_s))
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise CampaignDamaged(campaign, sender, "it cannot be read") from error
        return _Snapshot(
            {name: value.decode() for name, value in by_name.items() if not name.startswith(CampaignField.ARCHIVE)},
            {name: int(value) for name, value in coded.items()},
            {name.decode(): int(value) for name, value in statistics.items()},
            view,
        )

    async def _write_rows(self, snapshot: _Snapshot, operation: str, data_key: bytes) -> tuple[Manifest, RowSums]:
        view = snapshot.view
        numbers = NumberFilter(view.total)
        seconds, _ = await self._redis.time()
        with self._folder.writing(view.id, f"{operation}.{ROWS}") as file:
            writer = await self._write_batches(file, view, data_key, numbers)
        self._before_step("write the filter of numbers")
        with self._folder.writing(view.id, f"{operation}.{NUMBERS}") as file:
            await _in_thread(partial(numbers.write, file, data_key=data_key, archive=view.id))
        manifest = Manifest(
            campaign=view.id,
            sender=view.plan.sender,
            operation=operation,
            archived_ms=int(seconds) * 1000,
            rows=writer.sums.rows,
            slots=writer.slots,
            custom=writer.custom,
            link_values=writer.link_values,
            fields=snapshot.fields,
            codes=snapshot.codes,
            statistics=snapshot.statistics,
        )
        return manifest, writer.sums

    async def _write_batches(
        self, file: IO[bytes], view: CampaignView, data_key: bytes, numbers: NumberFilter
    ) -> RowWriter:
        """Write all batches of a campaign into a file; return the finished writer.

        Args:
            file: the open file.
            view: the campaign.
            data_key: encrypts the file.
            numbers: gets the numbers of all messages.
        """
        clicked, attempts = await self._beside(view)
        writer: RowWriter | None = None
        is_finished = False
        try:
            async for batch in read_batches(self._redis, view):
                writer = writer or RowWriter(file, data_key=data_key, archive=view.id, first=batch.recipients)
                await _in_thread(partial(_write_batch, writer, batch, clicked, attempts))
                await _in_thread(partial(numbers.add, batch.recipients.to))
                await self._pause()
            writer = writer or RowWriter(file, data_key=data_key, archive=view.id, first=None)
            await _in_thread(writer.finish)
            is_finished = True
        finally:
            if writer and not is_finished:
                writer.abandon()
        return writer

    async def _beside(self, view: CampaignView) -> tuple[bytes, dict[int, bytes]]:
        """Return the data of messages outside their batches in Redis: the bits of clicks, and the attempts by index."""
        key = campaign_key(view.plan.sender, view.id)
        clicked = cast("bytes | None", await self._redis.get(f"{key}:{CampaignKey.CLICKERS}"))
        stored: Any = await self._redis.hgetall(f"{key}:{CampaignKey.ATTEMPTS}")
        return clicked or b"", {int(index): entries for index, entries in stored.items()}

    def _read_back(self, manifest: Manifest, data_key: bytes) -> RowSums:
        with self._folder.reading(manifest.campaign, f"{manifest.operation}.{ROWS}") as file:
            return RowReader(file, manifest, data_key=data_key).sums()

    async def _delete_files(self, campaign: CampaignId, operations: Sequence[str]) -> None:
        """Delete the files of attempts that were not committed."""
        for operation in operations:
            for kind in (MANIFEST, NUMBERS, ROWS, KEY):
                await asyncio.to_thread(self._folder.delete, campaign, f"{operation}.{kind}")


async def _in_thread(call: Callable[[], None]) -> None:
    """Make a call in a thread; if this task is cancelled, wait until the call has returned."""
    calling = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        await asyncio.shield(calling)
    except asyncio.CancelledError:
        await asyncio.wait([calling])
        raise


def _write_batch(writer: RowWriter, batch: BatchColumns, clicked: bytes, attempts: dict[int, bytes]) -> None:
    indexes = range(batch.recipients.first, batch.recipients.first + len(batch.recipients.to))
    writer.write(
        batch,
        clicked=[_bit(clicked, index) for index in indexes] if clicked else [0] * len(indexes),
        attempts=[attempts.get(index, b"").hex() for index in indexes] if attempts else [""] * len(indexes),
    )


def _bit(bits: bytes, index: int) -> int:
    """Return a bit of a Redis bitmap: bit 0 is the highest bit of the first byte."""
    return bits[index // 8] >> (7 - index % 8) & 1 if index // 8 < len(bits) else 0


def _compare(snapshot: _Snapshot, written: RowSums, verified: RowSums) -> None:
    """Compare the rows in the file with the written rows, and with the campaign's counters.

    Raises:
        ArchiveDamaged: the file does not hold the written rows.
        CampaignDamaged: the records of the campaign do not agree with the counters.
    """
    view = snapshot.view
    if verified != written:
        raise ArchiveDamaged(f"archive {view.id}: the rows in the file differ from the rows that were written")
    values = [snapshot.fields.get(name) for name in ("total", *(state.value for state in MessageState))]
    counters = read_counters(values)
    if mismatch := counter_mismatch(counters):
        raise CampaignDamaged(view.id, view.plan.sender, mismatch)
    if difference := next(differences(view, snapshot.codes, verified), ""):
        raise CampaignDamaged(view.id, view.plan.sender, f"{difference}; the campaign is not archived")


def differences(view: CampaignView, counted_codes: Mapping[str, int], rows: RowSums) -> Iterator[str]:
    """Yield a text for each difference between archived rows and the counters of their campaign.

    Args:
        view: the campaign.
        counted_codes: the hash of the campaign's codes.
        rows: the sums over the campaign's rows.
    """
    states, codes = dict.fromkeys(MessageState, 0), dict[str, int]()
    for name, number in rows.states.items():
        letter, _, code = name.partition(":")
        state = MessageState(letter)
        states[state] += number
        if state in _ORIGINS and code != "0":
            is_ours = int(code) in SUPPRESSION_REASONS
            origin = CodeOrigin.SUPPRESSED if is_ours and state is MessageState.GIVEN_UP else _ORIGINS[state]
            codes[f"{origin}:{code}"] = codes.get(f"{origin}:{code}", 0) + number
    if rows.rows != view.total:
        yield f"{counted(rows.rows, 'message is', 'messages are')} stored of {view.total:,}"
    for state, number in states.items():
        if number != view.counts[state]:
            messages = counted(number, "message is", "messages are")
            yield f"{messages} {state.label} and {view.counts[state]:,} are counted"
    wanted = {
        name: number
        for name, number in counted_codes.items()
        if number and name.partition(":")[0] in _COUNTED_ORIGINS and not name.endswith(":0")
    }
    for name in sorted({*wanted, *codes}):
        if wanted.get(name, 0) != codes.get(name, 0):
            messages = counted(codes.get(name, 0), "message has", "messages have")
            yield f"{messages} the code {name} and {wanted.get(name, 0):,} are counted"


def _detail(manifest: Manifest) -> str:
    return counted(manifest.rows, "message")
